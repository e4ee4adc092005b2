// Left and right images that come one by one: which of them belong together.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "same/image_ring.hpp"
#include "same/recent_values.hpp"
#include "same/views.hpp"

namespace same {

// A frame that need not wait any longer; an image is null where that camera gave none.
struct PairedFrame {
  int64_t timestamp_ns = 0;  // of the left image, or of the only one; on the tracker's clock
  std::array<GrayImage, kNumViews> images{};
  bool skewed = false;  // the other camera's image is there, but too far away in time
};

// Pairs images that are at most `max_skew_ns` apart; a pair has its left image's time. An image
// waits for its partner for as many frames as partners came late before, and goes alone after that.
// One thread at a time; any thread may read the counters. Allocates only when built.
class StereoPairing {
 public:
  // Throws std::invalid_argument for empty images or a negative skew.
  StereoPairing(int height, int width, int64_t max_skew_ns);

  // Takes one image, stamped by the cameras' clock and on the tracker's; it is copied where it must
  // wait. Gives the frames that are complete or will never be, in the order of their times; their
  // pixels, and those of `image`, are read until the next call. `timestamp_ns` must follow the
  // view's last one, `image` must not be null.
  std::span<const PairedFrame> add(int view, int64_t timestamp_ns, int64_t mapped_ns,
                                   const GrayImage& image);

  // Forgets the images of one view, or of both; the counters stay.
  void clear(int view);
  void clear();

  // Images whose partner never came, came too late or is too far away in time.
  uint64_t unpaired() const { return unpaired_.load(std::memory_order_relaxed); }
  // Images whose partner had already gone on without them.
  uint64_t late_images() const { return late_images_.load(std::memory_order_relaxed); }
  // Images whose partner is there, but too far away in time.
  uint64_t skewed() const { return skewed_.load(std::memory_order_relaxed); }
  // Right image's time minus the left's, newest two that belong together.
  int64_t view_skew_ns() const { return view_skew_ns_.load(std::memory_order_relaxed); }

 private:
  // Most frames that one camera's images may come later than the other's and still be waited for.
  static constexpr size_t kMaxLag = 3;
  // Between an image that comes and those that then go, one more than may wait is there.
  static constexpr size_t kBuffers = kMaxLag + 2;
  // Images without partner in a row after which the other camera is not waited for.
  static constexpr int kSilentAfter = 2;
  // Pairs from which it is known how late the other camera's images come.
  static constexpr size_t kLagMemory = 32;
  static constexpr int kNoView = -1;

  struct Waiting {
    int64_t timestamp_ns = 0, mapped_ns = 0;
    size_t buffer = 0;
  };

  // What is known of one camera.
  struct Camera {
    RecentValues<Waiting, kBuffers> waiting;
    RecentValues<int64_t, kBuffers> recent_ns;  // stamps of the newest images, waiting or gone
    RecentValues<size_t, kLagMemory> lags;      // how many later images came before each partner
    std::unique_ptr<uint8_t[]> pixels;

    size_t lag() const;
    size_t free_buffer() const;
    size_t newer_than(int64_t timestamp_ns) const;
    std::optional<int64_t> nearest_ns(int64_t timestamp_ns) const;
  };

  GrayImage image_of(const Camera& camera, const Waiting& waiting) const;
  void keep(Camera& camera, int64_t timestamp_ns, int64_t mapped_ns, const GrayImage& image);
  std::optional<size_t> partner(const Camera& other, int64_t timestamp_ns) const;
  PairedFrame pair(int view, int64_t timestamp_ns, int64_t mapped_ns, const GrayImage& image,
                   size_t partner);
  PairedFrame alone(int view);
  bool goes_alone(int view) const { return lone_view_ == view && in_a_row_ >= kSilentAfter; }
  bool is_skewed(int view, int64_t timestamp_ns);
  void drop_older(int64_t timestamp_ns);

  const int height_, width_;
  const int64_t max_skew_ns_;
  std::array<Camera, kNumViews> cameras_;
  std::array<PairedFrame, kBuffers> ready_{};
  int lone_view_ = kNoView;
  int in_a_row_ = 0;  // images of that view that went alone
  std::atomic<uint64_t> unpaired_{0}, late_images_{0}, skewed_{0};
  std::atomic<int64_t> view_skew_ns_{0};
};

}  // namespace same
