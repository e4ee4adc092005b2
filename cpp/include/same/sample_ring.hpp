// Fixed-capacity history of timestamped samples for one producer and one consumer thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "same/timestamp_gate.hpp"

namespace same {

template <typename Payload>
struct Stamped {
  int64_t timestamp_ns = 0;
  Payload payload{};
};

// The samples around a time: `before` is the newest at or before it, `after` the oldest later
// one, `earlier` the one that precedes `before` (read only when there is no `after`).
template <typename Payload>
struct Bracket {
  std::optional<Stamped<Payload>> earlier, before, after;
};

// Newest wins: the producer never waits, it overwrites the oldest sample, and a reader notices an
// overwritten slot by its sequence number and looks again (a seqlock per slot). Allocates once.
template <typename Payload>
class SampleRing {
  static_assert(std::is_trivially_copyable_v<Payload> && sizeof(Payload) % sizeof(uint64_t) == 0);

 public:
  using Sample = Stamped<Payload>;

  // Throws std::invalid_argument below two samples: interpolation needs two.
  explicit SampleRing(size_t capacity) : capacity_(capacity) {
    if (capacity < 2) throw std::invalid_argument("capacity: expected at least 2 samples");
    slots_ = std::make_unique<Slot[]>(capacity);
  }

  // Producer only. A refused sample is counted and changes nothing else.
  PushStatus push(int64_t timestamp_ns, const Payload& payload) {
    const PushStatus status = gate_.check(timestamp_ns);
    if (status == PushStatus::ACCEPTED) {
      const uint64_t index = end_.load(std::memory_order_relaxed);
      write(slots_[index % capacity_], index, timestamp_ns, payload);
      end_.store(index + 1, std::memory_order_release);
    }
    return gate_.count(timestamp_ns, status);
  }

  // Producer only. Forgets the samples and the last timestamp; the counters stay.
  void clear() {
    begin_.store(end_.load(std::memory_order_relaxed), std::memory_order_release);
    gate_.reopen();
  }

  // Consumer only. Nullopt when the producer kept overwriting what was being read.
  std::optional<Bracket<Payload>> bracket(int64_t timestamp_ns) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      Bracket<Payload> found;
      if (try_bracket(timestamp_ns, found)) return found;
    }
    return std::nullopt;
  }

  // The calls below are for the consumer; timestamps are nullopt when the ring is empty.
  std::optional<int64_t> newest_ns() const { return timestamp_at_edge(true); }
  std::optional<int64_t> oldest_ns() const { return timestamp_at_edge(false); }
  size_t size() const {
    const Range range = readable();
    return static_cast<size_t>(range.end - range.begin);
  }
  size_t capacity() const { return capacity_; }
  uint64_t accepted() const { return gate_.accepted(); }
  uint64_t refused() const { return gate_.refused(); }

 private:
  // Losing a race this often means the ring is lapped while one sample is read.
  static constexpr int kAttempts = 64;
  static constexpr size_t kWords = sizeof(Payload) / sizeof(uint64_t);
  using Words = std::array<uint64_t, kWords>;

  struct Slot {
    std::atomic<uint64_t> sequence{0};
    std::atomic<int64_t> timestamp_ns{0};
    std::array<std::atomic<uint64_t>, kWords> words{};
  };
  struct Range {
    uint64_t begin, end;
  };

  static uint64_t writing(uint64_t index) { return 2 * index + 1; }
  static uint64_t complete(uint64_t index) { return 2 * index + 2; }

  // Release on every word and acquire on every read take the place of the seqlock's two fences,
  // which thread sanitizers cannot follow: whoever sees a new word also sees `writing`.
  static void write(Slot& slot, uint64_t index, int64_t timestamp_ns, const Payload& payload) {
    const Words words = std::bit_cast<Words>(payload);
    slot.sequence.store(writing(index), std::memory_order_relaxed);
    slot.timestamp_ns.store(timestamp_ns, std::memory_order_release);
    for (size_t i = 0; i < kWords; ++i) slot.words[i].store(words[i], std::memory_order_release);
    slot.sequence.store(complete(index), std::memory_order_release);
  }

  bool read_timestamp(uint64_t index, int64_t& timestamp_ns) const {
    const Slot& slot = slots_[index % capacity_];
    if (slot.sequence.load(std::memory_order_acquire) != complete(index)) return false;
    timestamp_ns = slot.timestamp_ns.load(std::memory_order_acquire);
    return slot.sequence.load(std::memory_order_relaxed) == complete(index);
  }

  bool read(uint64_t index, std::optional<Sample>& sample) const {
    const Slot& slot = slots_[index % capacity_];
    if (slot.sequence.load(std::memory_order_acquire) != complete(index)) return false;
    Words words;
    const int64_t timestamp_ns = slot.timestamp_ns.load(std::memory_order_acquire);
    for (size_t i = 0; i < kWords; ++i) words[i] = slot.words[i].load(std::memory_order_acquire);
    sample = Sample{timestamp_ns, std::bit_cast<Payload>(words)};
    return slot.sequence.load(std::memory_order_relaxed) == complete(index);
  }

  // `end_` is read first, so that samples pushed after a clear() never appear with older ones.
  Range readable() const {
    const uint64_t end = end_.load(std::memory_order_acquire);
    const uint64_t oldest_kept = end > capacity_ ? end - capacity_ : 0;
    const uint64_t begin = std::max(begin_.load(std::memory_order_acquire), oldest_kept);
    return {std::min(begin, end), end};
  }

  bool try_bracket(int64_t timestamp_ns, Bracket<Payload>& found) const {
    const Range range = readable();
    uint64_t low = range.begin, high = range.end;  // first sample later than timestamp_ns
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      int64_t middle_ns;
      if (!read_timestamp(middle, middle_ns)) return false;
      if (middle_ns > timestamp_ns)
        high = middle;
      else
        low = middle + 1;
    }
    const bool has_after = low < range.end;
    const uint64_t past = low - range.begin;
    return (!has_after || read(low, found.after)) && (past < 1 || read(low - 1, found.before)) &&
           (has_after || past < 2 || read(low - 2, found.earlier));
  }

  std::optional<int64_t> timestamp_at_edge(bool newest) const {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const Range range = readable();
      if (range.begin == range.end) break;
      int64_t timestamp_ns;
      if (read_timestamp(newest ? range.end - 1 : range.begin, timestamp_ns)) return timestamp_ns;
    }
    return std::nullopt;
  }

  const size_t capacity_;
  std::unique_ptr<Slot[]> slots_;
  TimestampGate gate_;
  std::atomic<uint64_t> begin_{0}, end_{0};
};

}  // namespace same
