// The one place that decides whether a sample's timestamp is acceptable, and counts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace same {

// Times lie in [0, kMaxTimestampNs): the difference of any two cannot overflow.
constexpr int64_t kMaxTimestampNs = int64_t{1} << 62;

enum class PushStatus {
  ACCEPTED = 0,
  DUPLICATE = 1,
  BACKWARDS = 2,
  FULL = 3,          // image rings only: the consumer holds views of every slot
  TOO_CLOSE = 4,     // live streams only: closer than any sensor samples, so in another unit
  JUMPED = 5,        // live streams only: far ahead of its stream, with no second witness yet
  OUT_OF_RANGE = 6,  // live streams only: its clock maps it outside [0, kMaxTimestampNs)
};
constexpr size_t kNumPushStatuses = 7;

// The producer checks and counts; any thread may read the counters.
class TimestampGate {
 public:
  PushStatus check(int64_t timestamp_ns) const {
    if (empty_ || timestamp_ns > newest_ns_) return PushStatus::ACCEPTED;
    return timestamp_ns == newest_ns_ ? PushStatus::DUPLICATE : PushStatus::BACKWARDS;
  }

  PushStatus count(int64_t timestamp_ns, PushStatus status) {
    if (status == PushStatus::ACCEPTED) {
      newest_ns_ = timestamp_ns;
      empty_ = false;
      accepted_.fetch_add(1, std::memory_order_relaxed);
    } else {
      refused_.fetch_add(1, std::memory_order_relaxed);
    }
    return status;
  }

  // Any timestamp is acceptable next; the counters stay.
  void reopen() { empty_ = true; }

  uint64_t accepted() const { return accepted_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  int64_t newest_ns_ = 0;
  bool empty_ = true;
  std::atomic<uint64_t> accepted_{0}, refused_{0};
};

}  // namespace same
