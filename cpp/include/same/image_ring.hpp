// Stereo frames between a camera thread and the tracker: newest wins, read without a copy.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "same/timestamp_gate.hpp"

namespace same {

// A gray image in memory of somebody else; rows may be any distance apart.
struct GrayImage {
  const uint8_t* pixels = nullptr;  // null: this camera gave no image
  std::ptrdiff_t row_stride = 0;    // bytes
};

// What is known of a frame beside its time.
struct FrameNote {
  int64_t came_ns = 0;    // steady_ns() when it came in
  uint64_t restarts = 0;  // of the frames' time line until then
  bool skewed = false;    // a missing image is there, but too far away in time
};

// One producer and one consumer thread, no locks. A slot belongs to nobody (pins == 0), to the
// producer that fills it (pins == kWriting) or to `pins` readers. Both sides take a slot with one
// compare-and-swap, so a frame that is held is never overwritten and a half-written one is never
// seen. Allocates only when built.
class ImageRing {
 public:
  // Throws std::invalid_argument below 2 slots or for empty images.
  ImageRing(size_t capacity, int height, int width);

  // Producer only: copies the frame in. FULL when the consumer holds every slot.
  PushStatus push(int64_t timestamp_ns, const GrayImage& left, const GrayImage& right,
                  const FrameNote& note = {});

  // Consumer only: holds the newest frame's slot until release(); nullopt when empty or when the
  // producer is just replacing the only frame there is. Never waits for the producer.
  std::optional<size_t> acquire_newest();
  // Holds a slot that is held already once more.
  void acquire_again(size_t slot) { slots_[slot].pins.fetch_add(1, std::memory_order_relaxed); }
  // Any thread.
  void release(size_t slot) { slots_[slot].pins.fetch_sub(1, std::memory_order_release); }

  // Producer only. Forgets the newest frame and the last timestamp; held slots and counters stay.
  void clear();

  // Of a held slot; the image is null where the camera gave none.
  int64_t timestamp_ns(size_t slot) const { return slots_[slot].timestamp_ns; }
  const FrameNote& note(size_t slot) const { return slots_[slot].note; }
  const uint8_t* image(size_t slot, int view) const {
    return slots_[slot].present[view] ? pixels(slot, view) : nullptr;
  }

  size_t capacity() const { return capacity_; }
  int height() const { return height_; }
  int width() const { return width_; }
  uint64_t accepted() const { return gate_.accepted(); }
  uint64_t refused() const { return gate_.refused(); }
  // Accepted frames that a newer one replaced before they were read.
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kWriting = -1;
  static constexpr int64_t kNone = -1;

  struct Slot {
    std::atomic<int> pins{0};
    std::atomic<bool> read{false};
    int64_t timestamp_ns = 0;
    FrameNote note;
    std::array<bool, 2> present{};
  };

  friend struct ImageRingStress;  // stops a producer between two of its steps

  bool claim(size_t slot);
  int64_t claim_any();
  uint8_t* pixels(size_t slot, int view) const {
    return pixels_.get() + (2 * slot + static_cast<size_t>(view)) * image_size_;
  }

  const size_t capacity_;
  const int height_, width_;
  const size_t image_size_;
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<uint8_t[]> pixels_;
  TimestampGate gate_;
  std::atomic<int64_t> newest_{kNone};
  std::atomic<uint64_t> dropped_{0};
};

// Holds a slot for as long as it lives, and the ring with it.
class ImageLease {
 public:
  ImageLease() = default;
  // Consumer only. Empty where acquire_newest() finds none.
  static ImageLease newest(const std::shared_ptr<ImageRing>& ring) {
    const auto slot = ring->acquire_newest();
    return slot ? ImageLease(ring, *slot) : ImageLease();
  }
  ~ImageLease() {
    if (ring_) ring_->release(slot_);
  }
  ImageLease(ImageLease&& other) noexcept
      : ring_(std::exchange(other.ring_, nullptr)), slot_(other.slot_) {}
  ImageLease& operator=(ImageLease&& other) noexcept {
    std::swap(ring_, other.ring_);
    std::swap(slot_, other.slot_);
    return *this;
  }

  // Of one that is not empty: a second hold on the same slot.
  ImageLease again() const {
    ring_->acquire_again(slot_);
    return {ring_, slot_};
  }
  explicit operator bool() const { return ring_ != nullptr; }
  const ImageRing& ring() const { return *ring_; }
  size_t slot() const { return slot_; }

 private:
  // Of a slot that is held already.
  ImageLease(std::shared_ptr<ImageRing> ring, size_t slot) : ring_(std::move(ring)), slot_(slot) {}

  std::shared_ptr<ImageRing> ring_;
  size_t slot_ = 0;
};

}  // namespace same
