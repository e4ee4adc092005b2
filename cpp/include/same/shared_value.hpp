// A small value that one thread sets while others read it.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace same {

// One writer at a time, which never waits; a reader that meets it looks again. See SampleRing of
// the memory orders.
template <typename Value>
class SharedValue {
  static_assert(std::is_trivially_copyable_v<Value> && sizeof(Value) % sizeof(uint64_t) == 0);

 public:
  explicit SharedValue(const Value& value = {}) { store(value); }

  void store(const Value& value) {
    const Words words = std::bit_cast<Words>(value);
    const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);  // odd while it is written
    for (size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
    sequence_.store(sequence + 2, std::memory_order_release);
  }

  Value load() const {
    for (;;) {
      const uint64_t sequence = sequence_.load(std::memory_order_acquire);
      Words words;
      for (size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
      if (sequence % 2 == 0 && sequence_.load(std::memory_order_relaxed) == sequence)
        return std::bit_cast<Value>(words);
    }
  }

 private:
  static constexpr size_t kWords = sizeof(Value) / sizeof(uint64_t);
  using Words = std::array<uint64_t, kWords>;

  std::atomic<uint64_t> sequence_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

}  // namespace same
