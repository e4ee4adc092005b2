// Sensor samples and stereo frames in, full-body poses out: what same_runtime.SamePoseTracker does,
// without Python.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "same/live_worker.hpp"
#include "same/pipeline.hpp"

namespace same {

// A call that does not go with what the tracker does now: push() while it is started or closed.
struct StateError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct StereoFrame {
  int64_t timestamp_ns = 0;
  StereoImages images;  // of the rig's size; null pixels where a camera gave none
};

struct StreamStats {
  int64_t newest_ns = Ingestion::kNever;  // on the tracker's clock
  uint64_t accepted = 0, refused = 0, restarts = 0;
  double rate_hz = 0.0;
  bool off_clock = false;
};

struct TrackerStats {
  std::array<StreamStats, kNumStreams> streams;
  FrameCounts frames;
  RunningFigures estimates, output;
  uint64_t deadlines_missed = 0, frames_too_late = 0, relocalisations = 0;
  uint64_t engine_failures = 0, worker_errors = 0;
};

// Three ways lead to the same path. push() takes a frame with one reading of each device.
// push_sample() takes device samples at their own rates, and push_frame() estimates the pose at a
// frame's time from them. start() runs everything in two threads: frames go in through put_frame()
// or put_image(), poses come out at display rate through latest() and the callback.
//
// Any thread may call any method. What runs the network (push, push_frame, step, the calibrations
// and reset) takes turns; everything else never waits for it. After the first frames nothing is
// allocated on the live path.
//
// Values are checked: std::invalid_argument names one that is wrong, TimestampError a stamp that
// cannot be right; nothing has changed then. EngineError: the backend failed, and all samples and
// carried state are forgotten.
class Tracker {
 public:
  // Writes the rig's rays into the engine, and warms it up.
  Tracker(std::unique_ptr<Engine> engine, const CameraRig& rig, const NetworkInputs& inputs,
          const TrackerOptions& options);
  ~Tracker();
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // `arrival_ns`: when it reached this machine, on the tracker's clock; none: now.
  void push_pose(int device, int64_t timestamp_ns, const PoseSample& sample,
                 std::optional<int64_t> arrival_ns = {});
  void push_leg(int device, int64_t timestamp_ns, const LegSample& sample,
                std::optional<int64_t> arrival_ns = {});
  // The images are copied.
  void put_frame(const StereoFrame& frame, std::optional<int64_t> arrival_ns = {});
  void put_image(int view, int64_t timestamp_ns, const GrayImage& image,
                 std::optional<int64_t> arrival_ns = {});
  // How a stream's stamps (the devices', then the cameras') come onto the tracker's clock. A stream
  // that has begun already begins anew, and tracking with it where it is the cameras'.
  void set_clock_given(int stream, int64_t offset_ns, double drift_ppm);
  void set_clock_estimated(int stream, int64_t min_latency_ns);

  // The images are read during the call.
  Pose push(const StereoFrame& frame, const Readings& readings);
  Pose push_frame(const StereoFrame& frame, std::optional<int64_t> arrival_ns = {});
  // On the newest frame that was put, in this thread; none when there is no new one.
  std::optional<Pose> step();

  // What a started tracker does while the cameras are lost: an estimate at the newest head sample.
  void estimate_without_images();
  // What it does between frames with BetweenFrames::IMAGE_FREE: the network on the newest device
  // samples, without a trace in its state.
  void predict_without_images();

  // Near the newest estimate, such as when the app's frame is seen. Throws TimestampError for a
  // time over an hour away from it.
  Pose at_time(int64_t timestamp_ns);
  // The worker's while started, else the newest estimate; INVALID before the first.
  Pose latest() const;

  // `clock`: now on the tracker's clock, ns; none: steady_ns(). It may throw NoTime. Throws
  // StateError when started or closed.
  void start(const LiveOptions& options = {}, std::function<int64_t()> clock = {});
  // After the running estimate; what was given to start() is dropped. Safe to call at any time;
  // from inside it does not wait.
  void stop();
  // Waits for what stop() did not wait for; does nothing while started, nor from inside.
  void await_stop();
  // Whether this tracker has called what this thread is in, be it the callback, the clock, the log,
  // the observer or the engine: it cannot wait for itself.
  bool is_inside() const;
  bool started() const { return started_.load(); }
  // Receives each pose that the worker gives out, in its thread: it must be quick. Replaces the
  // one before; empty: nobody. Not called any more once this has returned.
  void on_pose(std::function<void(const Pose&)> callback);

  // Where the head looks now becomes forward (-z), and its place on the floor the origin unless
  // keep_place. std::invalid_argument unless the head was tracked within the last second.
  void recentre(bool keep_place);
  void set_floor(double ground_y);
  // Takes the lower controller's height, and returns it, metres.
  double floor_from_controller();
  // The user stands upright and still for two seconds from now on.
  void start_legs();
  void set_bone_lengths(const BoneLengths& lengths);
  // As start_legs() measured them before.
  void set_leg_straps(const LegStraps& straps);
  // Another user: height and bones are measured anew, leg sensors count as worn right.
  void forget_user();
  // What is known of the user by now.
  const Calibration& calibration() const { return pipeline_.calibration(); }

  // Head and controllers are told in another space from `timestamp_ns` on, as a runtime's reference
  // space changes when the user recentres the headset: its origin was at `origin` in the space
  // before (OpenXR: poseInPreviousSpace). Of samples that come after the call; poses of that time
  // come out in the new space, of the same body in the same place. The floor stays where it is, and
  // leg sensors face where they did unless `legs_too`: they are told in that space too. Throws
  // std::invalid_argument for a space that leans, TimestampError for a time before the last change
  // or of another clock.
  void reference_space_changed(int64_t timestamp_ns, const PoseSample& origin,
                               bool legs_too = false);

  // Forgets all samples and carried state, as after opening; counters stay.
  void reset();
  TrackerStats stats() const;
  const CameraRig& rig() const { return rig_; }

  // Stops, lets the running estimate end and drops the engine. What would run it throws StateError
  // then. Safe to call twice; from inside an estimate it leaves the engine to the second call.
  void close();

  // The parts, for those who bring their own checks. Each says which threads may use it.
  Ingestion& ingestion() { return ingestion_; }
  Synchroniser& synchroniser() { return synchroniser_; }
  FrameInbox& inbox() { return inbox_; }
  Pipeline& pipeline() { return pipeline_; }
  // Throws StateError once closed.
  void check_open() const;
  // Now on the tracker's clock while started; none where it is not known.
  std::optional<int64_t> clock_now_ns() const;

 private:
  class Turn;

  void set_clock(int stream, const ClockMapping& clock);
  void check_frame(const StereoFrame& frame) const;
  void check_image(const GrayImage& image) const;
  void judge(const char* name, const FramePush& push) const;
  bool has_turn() const { return at_turn_.load() == std::this_thread::get_id(); }
  void end(std::shared_ptr<LiveWorker> worker);
  void check_not_started() const;
  Pose pose_at(int64_t timestamp_ns, bool keep);
  Pose held_pose(int64_t now_ns) const;
  enum class Taken { NOTHING, TOO_LATE, ESTIMATED };  // what became of the newest frame
  Taken estimate_newest(int64_t max_wait_ns, const std::atomic<bool>* stopping);
  void await_samples(int64_t timestamp_ns, int64_t max_wait_ns, const std::atomic<bool>* stopping);
  template <typename Check>
  auto counted_if_bad(int stream, Check check);
  void publish(const Pose& pose);
  int64_t now_ns();
  DeviceStates recent_states(const char* asked, std::initializer_list<int> devices,
                             int64_t now_ns) const;

  const CameraRig rig_;
  const TrackerOptions options_;
  const Reach reach_;
  std::unique_ptr<Engine> engine_;
  Synchroniser synchroniser_;
  Ingestion ingestion_;
  Signal frame_arrived_;
  FrameInbox inbox_;
  std::mutex taking_;  // the inbox has one reader at a time
  Pipeline pipeline_;
  std::mutex running_;  // held while the network runs, or what it carries on is changed
  std::atomic<std::thread::id> at_turn_;  // who holds it

  LiveFigures figures_;
  LatestBox<Pose> shown_;
  std::recursive_mutex callback_mutex_;  // the callback may replace itself
  std::shared_ptr<const std::function<void(const Pose&)>> callback_;
  mutable std::mutex live_mutex_;  // of whether a worker runs; never held while one ends
  std::atomic<bool> closed_{false};
  std::atomic<bool> started_{false};
  std::shared_ptr<LiveWorker> worker_;
  std::function<int64_t()> clock_;  // of the worker
};

}  // namespace same
