// Camera images on their way in: judged, paired and kept until the tracker takes the newest.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "same/image_ring.hpp"
#include "same/ingestion.hpp"
#include "same/stereo_pairing.hpp"

namespace same {

// A frame as the tracker takes it. Its images stay whole as long as this lives, which may be longer
// than the inbox; an image is null where that camera gave none.
struct InboxFrame {
  int64_t timestamp_ns = 0;  // on the tracker's clock
  GrayImage left, right;
  int64_t came_ns = 0;    // steady_ns() when it came in
  uint64_t restarts = 0;  // times the frames had begun anew from an earlier time when it came in
  bool skewed = false;    // the missing image is there, but too far away in time
  ImageLease lease;
};

// What became of the frames that came in so far.
struct FrameCounts {
  uint64_t accepted = 0;
  uint64_t dropped = 0;      // replaced by a newer one before the tracker took them
  uint64_t unpaired = 0;     // see StereoPairing
  uint64_t late_images = 0;  // see StereoPairing
  uint64_t skewed = 0;       // see StereoPairing
  int64_t view_skew_ns = 0;  // see StereoPairing
  uint64_t restarts = 0;     // times the cameras' clock began anew from an earlier time
};

// What became of one frame or image that was put in.
struct FramePush {
  PushStatus status = PushStatus::ACCEPTED;
  bool at_gate = false;          // its own stamp was refused, else that of a frame made with it
  int64_t refused_ns = 0;        // the stamp that was refused, and the newest before it; of the
  int64_t newest_ns = kNoStamp;  // frame's on the tracker's clock, of its own on the cameras'
  int new_frames = 0;            // that came into the inbox with it
  bool first_skew = false;       // for the first time two images are too far apart for a pair

  static constexpr int64_t kNoStamp = -1;
  operator PushStatus() const { return status; }
};

// Stereo frames between the camera driver and the tracker: bounded, the newest wins. Every stamp
// is judged by its camera's gate before anything else. Images that come one by one are then paired
// when at most `max_skew_ns` apart. `wake` is called after new frames, in the thread that brings
// them and without a lock.
//
// Any thread may put images in: they wait for each other while one copies. One thread takes them
// out, and never waits. Allocates only when built.
class FrameInbox {
 public:
  using Wake = std::function<void()>;

  // `ingestion` must outlive it; nobody else admits the cameras' stamps meanwhile. Throws
  // std::invalid_argument for empty images or a negative skew.
  FrameInbox(Ingestion& ingestion, int height, int width, int64_t max_skew_ns, Wake wake = {});

  // A stereo frame, whose images are copied; null ones are missing. Images are of the inbox's size.
  // Times are not checked here: in [0, kMaxTimestampNs). `arrival_ns`: when it reached this
  // machine, on the tracker's clock; now where there is none.
  FramePush put(int64_t timestamp_ns, const GrayImage& left, const GrayImage& right,
                std::optional<int64_t> arrival_ns = {});
  // One view's image. Throws std::invalid_argument for another view or a null image.
  FramePush put_image(int view, int64_t timestamp_ns, const GrayImage& image,
                      std::optional<int64_t> arrival_ns = {});

  // Consumer only: the newest frame, also when it was taken before.
  std::optional<InboxFrame> newest();

  FrameCounts counts() const;
  // Forgets all frames; what is held and the counters stay.
  void clear();

  int height() const { return ring_->height(); }
  int width() const { return ring_->width(); }

 private:
  static constexpr size_t kSlots = 4;

  FramePush judge(int view, int64_t timestamp_ns, int64_t arrival_ns, int64_t& mapped_ns);
  void restart(int view, int64_t mapped_ns);
  void publish(const PairedFrame& frame, int64_t came_ns, FramePush& push);
  void begin_anew();
  void tell(const FramePush& push) const;

  Ingestion& ingestion_;
  const std::shared_ptr<ImageRing> ring_;  // frames that are held may outlive the inbox
  const Wake wake_;

  std::mutex mutex_;  // of all below, and of the ring's producer side
  StereoPairing pairing_;
  int64_t newest_ns_ = FramePush::kNoStamp;
  bool skew_named_ = false;
  uint64_t images_ = 0;
  std::array<uint64_t, kNumViews> last_image_{}, last_restart_{};  // counted in images
  std::atomic<uint64_t> restarts_{0};
};

}  // namespace same
