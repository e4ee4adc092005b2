// The newest value of one writer, read by any number of threads without waiting for it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <thread>

namespace same {

// One writer at a time. A reader copies a whole value, the newest or one that has become so since.
// As in ImageRing, a slot belongs to nobody (pins == 0), to the writer (kWriting) or to `pins`
// readers. Allocates nothing but what T's assignment does.
template <typename T>
class LatestBox {
 public:
  void publish(const T& value) {
    const size_t slot = claim();
    slots_[slot].value = value;
    slots_[slot].pins.store(0, std::memory_order_release);
    newest_.store(static_cast<int>(slot), std::memory_order_release);
  }

  // False, and `value` unchanged, before the first.
  bool read(T& value) const {
    for (;;) {
      const int newest = newest_.load(std::memory_order_acquire);
      if (newest == kNone) return false;
      Slot& slot = slots_[static_cast<size_t>(newest)];
      int pins = slot.pins.load(std::memory_order_relaxed);
      // The writer has the slot only when a newer value is out: look again.
      if (pins == kWriting ||
          !slot.pins.compare_exchange_weak(pins, pins + 1, std::memory_order_acquire))
        continue;
      value = slot.value;
      slot.pins.fetch_sub(1, std::memory_order_release);
      return true;
    }
  }

  // Any thread. A value that is just being published may still come after it.
  void clear() { newest_.store(kNone, std::memory_order_release); }

 private:
  static constexpr int kWriting = -1, kNone = -1;
  static constexpr size_t kSlots = 8;

  struct Slot {
    std::atomic<int> pins{0};
    T value{};
  };

  // Any slot but the newest that nobody reads; waits only for readers in every one of them.
  size_t claim() {
    for (size_t slot = 0;; slot = (slot + 1) % kSlots) {
      if (static_cast<int>(slot) != newest_.load(std::memory_order_relaxed)) {
        int nobody = 0;
        if (slots_[slot].pins.compare_exchange_strong(nobody, kWriting, std::memory_order_acquire))
          return slot;
      }
      if (slot + 1 == kSlots) std::this_thread::yield();
    }
  }

  mutable std::array<Slot, kSlots> slots_{};
  std::atomic<int> newest_{kNone};
};

}  // namespace same
