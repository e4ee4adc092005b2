// From admitted frames to poses: when the network runs, on what, and what its failure leaves.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "same/calibration.hpp"
#include "same/clock_watch.hpp"
#include "same/estimator.hpp"
#include "same/frame_inbox.hpp"
#include "same/latest_box.hpp"
#include "same/pose_finisher.hpp"
#include "same/rolling_figures.hpp"
#include "same/tracker_options.hpp"

namespace same {

// One reading of each device at one time; none marks a device without a reading.
struct Readings {
  int64_t timestamp_ns = 0;
  std::array<std::optional<PoseSample>, kNumPoseDevices> poses;
  std::array<std::optional<LegSample>, kNumLegDevices> legs;

  bool has(int device) const {
    return device < kNumPoseDevices ? poses[device].has_value()
                                    : legs[device - kNumPoseDevices].has_value();
  }
};

// What readers look at; published whole after every frame.
struct Snapshot {
  std::optional<Estimate> newest;     // of a frame
  std::optional<Estimate> predicted;  // of newer device samples than the newest frame's
  std::optional<Pose> pose;           // of the newest frame, finished, in the user's frame
  int64_t tracked_ns = 0;             // steady_ns() when that frame was taken; 0: none since reset
};

// Runs the estimator on frames and keeps the newest estimate. For one thread at a time, but
// `snapshot` and the counters, which any thread may read at any time.
class Pipeline {
 public:
  Pipeline(Engine& engine, const CameraRig& rig, const NetworkInputs& inputs,
           const TrackerOptions& options, Ingestion& ingestion, Synchroniser& synchroniser,
           FrameInbox& inbox);

  // A frame with one reading of each device. Throws TimestampError for stamps that cannot follow,
  // in which case only counters change, and EngineError if the backend fails; all samples and
  // state are then forgotten.
  Pose push(int64_t timestamp_ns, const StereoImages& images, const Readings& readings,
            int64_t arrival_ns, int64_t started_ns);
  // A frame on the samples ingested so far; throws likewise.
  Pose push_frame(int64_t timestamp_ns, const StereoImages& images, int64_t arrival_ns,
                  int64_t started_ns);
  // A frame from the inbox; false, and counted, when it is too old.
  bool estimate_frame(const InboxFrame& frame);
  // The pose of the newest head sample.
  void estimate_without_images();
  // The network on the newest device samples, without a trace in its state.
  void predict_without_images();

  // Forgets all samples and carried state, as after opening; counters stay.
  void restart();
  // Forgets all frames and what is carried on from them; devices go on.
  void restart_cameras();

  const LatestBox<Snapshot>& snapshot() const { return snapshot_; }
  int64_t newest_frame_ns() const { return newest_frame_ns_.load(std::memory_order_relaxed); }
  static constexpr int64_t kNever = -1;
  // The time of the newest sample, or of the newest frame and by how long ago it was tracked. Any
  // thread.
  int64_t expected_now_ns();

  ClockWatch& clock_watch() { return clock_watch_; }
  Calibration& calibration() { return calibration_; }
  const Calibration& calibration() const { return calibration_; }
  // Of the estimates, and of what a started tracker gives out.
  PoseFinisher& finisher() { return finisher_; }
  PoseFinisher& display_finisher() { return display_finisher_; }
  const RollingFigures& estimates() const { return estimates_; }
  uint64_t engine_failures() const { return engine_failures_.load(std::memory_order_relaxed); }
  uint64_t frames_too_late() const { return frames_too_late_.load(std::memory_order_relaxed); }
  uint64_t relocalisations() const { return relocalisations_.load(std::memory_order_relaxed); }

 private:
  struct Judged {
    int64_t mapped_ns;
    bool restarted;
  };

  Judged judge_frame(int64_t timestamp_ns, int64_t arrival_ns);
  void check_near_head(int64_t frame_ns);
  int64_t admit_frame(int64_t timestamp_ns, int64_t arrival_ns);
  void check_readings(const Readings& readings, int64_t arrival_ns, const Judged& frame);
  void store_readings(const Readings& readings, int64_t arrival_ns);
  DeviceStates look_up(int64_t timestamp_ns);
  Pose estimate(int64_t timestamp_ns, const StereoImages& images, int64_t started_ns,
                bool skewed = false);
  Pose headless_pose(int64_t timestamp_ns, const Reasons& reasons, int64_t started_ns);
  bool may_follow(int64_t timestamp_ns, uint64_t frame_restarts, uint64_t head_restarts);
  void forget();
  void restart_torn();
  void publish();

  const LogSink log_;
  const TrackerObserver observer_;
  Ingestion& ingestion_;
  Synchroniser& synchroniser_;
  FrameInbox& inbox_;
  PartTimes times_{};  // of the frame that is under way
  Estimator estimator_;
  ClockWatch clock_watch_;
  bool reads_straps_;
  int64_t frame_lag_ns_ = 0, lag_known_ns_ = 0;  // of the newest frame in the inbox, and since when
  Calibration calibration_;
  PoseFinisher finisher_, display_finisher_;
  Snapshot current_;
  LatestBox<Snapshot> snapshot_;
  std::atomic<int64_t> newest_frame_ns_{kNever};
  RollingFigures estimates_;
  std::atomic<uint64_t> engine_failures_{0}, frames_too_late_{0}, relocalisations_{0};
  // How often frames and head had begun anew at the newest estimate.
  uint64_t frame_restarts_ = 0, head_restarts_ = 0;
  uint64_t dropped_ = 0;
  bool torn_ = false;  // carried state that is to be forgotten yet
};

}  // namespace same
