// Which timestamps a live stream may carry, such that one bad stamp never silences the stream.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "same/timestamp_gate.hpp"

namespace same {

// Two stamps closer than this are in another unit passed as nanoseconds.
constexpr int64_t kMinSpacingNs = 100'000;
// Nothing here keeps sampling faster than 2 kHz: stamps that do are microseconds of a slow stream.
constexpr int64_t kMinIntervalNs = 500'000;
// A stamp this far ahead of its stream needs a second witness before it is believed.
constexpr int64_t kMaxJumpNs = 5'000'000'000;

// One stream's producer judges; any thread may read the counters. A stamp that is refused may be
// the first of a restarted, stepped or suspended clock: once enough following stamps continue it,
// the stream goes on from there, so that a bad stamp can never block all later ones.
class StreamGate {
 public:
  struct Verdict {
    PushStatus status = PushStatus::ACCEPTED;
    bool restarted = false;  // accepted, but earlier samples are on another time line
  };

  // What judge() would say. `witnessed`: another stream's newest stamp is close to this one.
  Verdict weigh(int64_t timestamp_ns, bool witnessed) const {
    if (!has_newest_) return {};
    if (timestamp_ns == newest_ns_) return {PushStatus::DUPLICATE};
    const int64_t step_ns = timestamp_ns - newest_ns_;
    if (step_ns > 0 && (step_ns <= kMaxJumpNs || witnessed)) {
      const bool wrong_unit =
          step_ns < kMinSpacingNs || (is_fast(timestamp_ns) && fast_steps_ + 1 >= kMaxFastSteps);
      return {wrong_unit ? PushStatus::TOO_CLOSE : PushStatus::ACCEPTED};
    }
    const bool backwards = step_ns < 0;
    if (candidates_with(timestamp_ns) >= (backwards ? kBackwardsWitnesses : kJumpWitnesses))
      return {PushStatus::ACCEPTED, true};
    return {backwards ? PushStatus::BACKWARDS : PushStatus::JUMPED};
  }

  // Takes note of a stamp and of what became of it.
  void record(int64_t timestamp_ns, const Verdict& verdict) {
    counts_[static_cast<size_t>(verdict.status)].fetch_add(1, std::memory_order_relaxed);
    switch (verdict.status) {
      case PushStatus::ACCEPTED:
        accept(timestamp_ns, verdict.restarted);
        break;
      case PushStatus::TOO_CLOSE:
        fast_steps_ = is_fast(timestamp_ns) ? fast_steps_ + 1 : 0;
        seen_ns_ = timestamp_ns;
        break;
      case PushStatus::BACKWARDS:
      case PushStatus::JUMPED:
        candidates_ = candidates_with(timestamp_ns);
        candidate_ns_ = timestamp_ns;
        break;
      default:
        break;
    }
  }

  Verdict judge(int64_t timestamp_ns, bool witnessed) {
    const Verdict verdict = weigh(timestamp_ns, witnessed);
    record(timestamp_ns, verdict);
    return verdict;
  }

  void reopen() {
    has_newest_ = false;
    candidates_ = fast_steps_ = 0;
  }
  void count_restart() { restarts_.fetch_add(1, std::memory_order_relaxed); }

  // Of the stream's own stamps; of no meaning before the first accepted one.
  int64_t newest_ns() const { return newest_ns_; }
  uint64_t count(PushStatus status) const {
    return counts_[static_cast<size_t>(status)].load(std::memory_order_relaxed);
  }
  uint64_t restarts() const { return restarts_.load(std::memory_order_relaxed); }
  // Exponential mean of the interval between accepted samples, ns; 0 before the second.
  double interval_ns() const { return interval_ns_.load(std::memory_order_relaxed); }

 private:
  static constexpr int64_t kCandidateGapNs = 1'000'000'000;
  // A late packet is common and a clock that starts again is rare: the former must not pass as it.
  // Late packets come among newer ones, and every newer one that is accepted ends the count.
  static constexpr int kBackwardsWitnesses = 8;
  static constexpr int kJumpWitnesses = 2;
  // Samples that are stamped when a radio packet brings them come a few at a time, not so many.
  static constexpr int kMaxFastSteps = 8;
  static constexpr double kIntervalShare = 0.05;
  // Samples that did not come are no interval: a gap counts at most so many times the mean.
  static constexpr double kMaxIntervalRatio = 4.0;

  bool is_fast(int64_t timestamp_ns) const {
    return timestamp_ns > seen_ns_ && timestamp_ns - seen_ns_ < kMinIntervalNs;
  }

  int candidates_with(int64_t timestamp_ns) const {
    const int64_t since_ns = timestamp_ns - candidate_ns_;
    const bool continues =
        candidates_ > 0 && since_ns >= kMinSpacingNs && since_ns <= kCandidateGapNs;
    return continues ? candidates_ + 1 : 1;
  }

  void accept(int64_t timestamp_ns, bool restarted) {
    if (restarted) count_restart();
    if (has_newest_ && !restarted) {
      const double mean = interval_ns();
      const double step = static_cast<double>(timestamp_ns - newest_ns_);
      const double counted = mean > 0 ? std::min(step, kMaxIntervalRatio * mean) : step;
      interval_ns_.store(mean > 0 ? mean + kIntervalShare * (counted - mean) : step,
                         std::memory_order_relaxed);
    }
    fast_steps_ = has_newest_ && !restarted && is_fast(timestamp_ns) ? fast_steps_ + 1 : 0;
    newest_ns_ = seen_ns_ = timestamp_ns;
    has_newest_ = true;
    candidates_ = 0;
  }

  int64_t newest_ns_ = 0, candidate_ns_ = 0;
  int64_t seen_ns_ = 0;  // newest stamp on this time line, refused as TOO_CLOSE or not
  bool has_newest_ = false;
  int candidates_ = 0, fast_steps_ = 0;
  std::array<std::atomic<uint64_t>, kNumPushStatuses> counts_{};
  std::atomic<uint64_t> restarts_{0};
  std::atomic<double> interval_ns_{0.0};
};

}  // namespace same
