#include "same/image_ring.hpp"

#include <cstring>
#include <stdexcept>

namespace same {

ImageRing::ImageRing(size_t capacity, int height, int width)
    : capacity_(capacity),
      height_(height),
      width_(width),
      image_size_(static_cast<size_t>(height) * static_cast<size_t>(width)) {
  if (capacity < 2) throw std::invalid_argument("capacity: expected at least 2 frames");
  if (height < 1 || width < 1) throw std::invalid_argument("height, width: expected at least 1");
  slots_ = std::make_unique<Slot[]>(capacity);
  pixels_ = std::make_unique<uint8_t[]>(2 * capacity * image_size_);
}

bool ImageRing::claim(size_t slot) {
  int free = 0;
  return slots_[slot].pins.compare_exchange_strong(free, kWriting, std::memory_order_acquire,
                                                   std::memory_order_relaxed);
}

// The newest frame goes last: until the new one is complete it is the only one to read.
int64_t ImageRing::claim_any() {
  const int64_t newest = newest_.load(std::memory_order_relaxed);
  const size_t first = newest == kNone ? 0 : static_cast<size_t>(newest) + 1;
  for (size_t i = 0; i < capacity_; ++i) {
    const size_t slot = (first + i) % capacity_;
    if (claim(slot)) return static_cast<int64_t>(slot);
  }
  return kNone;
}

PushStatus ImageRing::push(int64_t timestamp_ns, const GrayImage& left, const GrayImage& right,
                           const FrameNote& note) {
  PushStatus status = gate_.check(timestamp_ns);
  if (status != PushStatus::ACCEPTED) return gate_.count(timestamp_ns, status);
  const int64_t claimed = claim_any();
  if (claimed == kNone) return gate_.count(timestamp_ns, PushStatus::FULL);

  const int64_t replaced = newest_.load(std::memory_order_relaxed);
  if (replaced != kNone && !slots_[replaced].read.load(std::memory_order_relaxed))
    dropped_.fetch_add(1, std::memory_order_relaxed);

  // Nothing to read is better than a consumer that waits for this copy.
  if (claimed == replaced) newest_.store(kNone, std::memory_order_release);

  const size_t slot = static_cast<size_t>(claimed);
  const std::array<const GrayImage*, 2> views{&left, &right};
  for (int view = 0; view < 2; ++view) {
    slots_[slot].present[view] = views[view]->pixels != nullptr;
    if (!views[view]->pixels) continue;
    for (int row = 0; row < height_; ++row)
      std::memcpy(pixels(slot, view) + static_cast<size_t>(row) * static_cast<size_t>(width_),
                  views[view]->pixels + row * views[view]->row_stride, static_cast<size_t>(width_));
  }
  slots_[slot].timestamp_ns = timestamp_ns;
  slots_[slot].note = note;
  slots_[slot].read.store(false, std::memory_order_relaxed);
  slots_[slot].pins.store(0, std::memory_order_release);
  newest_.store(claimed, std::memory_order_release);
  return gate_.count(timestamp_ns, PushStatus::ACCEPTED);
}

std::optional<size_t> ImageRing::acquire_newest() {
  for (;;) {
    const int64_t newest = newest_.load(std::memory_order_acquire);
    if (newest == kNone) return std::nullopt;
    const size_t slot = static_cast<size_t>(newest);
    int pins = slots_[slot].pins.load(std::memory_order_relaxed);
    while (pins != kWriting &&
           !slots_[slot].pins.compare_exchange_weak(pins, pins + 1, std::memory_order_acquire,
                                                    std::memory_order_relaxed)) {
    }
    // The producer has just taken it for a newer frame and says so once that one is there. It may
    // be off the processor meanwhile, for long: nobody waits for it here.
    if (pins == kWriting) return std::nullopt;
    // Held now, so it stays complete; it may have been refilled or forgotten in between.
    if (newest_.load(std::memory_order_acquire) == newest) {
      slots_[slot].read.store(true, std::memory_order_relaxed);
      return slot;
    }
    release(slot);
  }
}

void ImageRing::clear() {
  newest_.store(kNone, std::memory_order_release);
  gate_.reopen();
}

}  // namespace same
