// Which timestamps a live stream may carry, such that one bad stamp never silences the stream.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "same/timestamp_gate.hpp"

namespace same {

// Nothing here samples faster than 10 kHz; closer stamps are another unit passed as nanoseconds.
constexpr int64_t kMinSpacingNs = 100'000;
// A stamp this far ahead of its stream needs a second witness before it is believed.
constexpr int64_t kMaxJumpNs = 5'000'000'000;

// One stream's producer judges; any thread may read the counters. A stamp that is refused may be
// the first of a restarted or suspended clock: once enough following stamps continue it, the stream
// goes on from there, so that a bad stamp can never block all later ones.
class StreamGate {
 public:
  struct Verdict {
    PushStatus status = PushStatus::ACCEPTED;
    bool restarted = false;  // accepted, but earlier samples are on another time line
  };

  // `witnessed`: another stream's newest stamp is close to this one.
  Verdict judge(int64_t timestamp_ns, bool witnessed) {
    if (!has_newest_) return accept(timestamp_ns, false);
    if (timestamp_ns == newest_ns_) return refuse(PushStatus::DUPLICATE);
    const int64_t step_ns = timestamp_ns - newest_ns_;
    if (step_ns > 0 && (step_ns <= kMaxJumpNs || witnessed))
      return step_ns < kMinSpacingNs ? refuse(PushStatus::TOO_CLOSE) : accept(timestamp_ns, false);
    const bool backwards = step_ns < 0;
    // Late by less than this, a stream is waited for: it passes its newest stamp soon enough.
    if (backwards && -step_ns < kCandidateGapNs) return refuse(PushStatus::BACKWARDS);
    const int64_t since_candidate_ns = timestamp_ns - candidate_ns_;
    const bool continues = candidates_ > 0 && since_candidate_ns >= kMinSpacingNs &&
                           since_candidate_ns <= kCandidateGapNs;
    candidates_ = continues ? candidates_ + 1 : 1;
    candidate_ns_ = timestamp_ns;
    if (candidates_ >= (backwards ? kBackwardsWitnesses : kJumpWitnesses)) {
      restarts_.fetch_add(1, std::memory_order_relaxed);
      return accept(timestamp_ns, true);
    }
    return refuse(backwards ? PushStatus::BACKWARDS : PushStatus::JUMPED);
  }

  void reopen() {
    has_newest_ = false;
    candidates_ = 0;
  }

  uint64_t count(PushStatus status) const {
    return counts_[static_cast<size_t>(status)].load(std::memory_order_relaxed);
  }
  uint64_t restarts() const { return restarts_.load(std::memory_order_relaxed); }
  // Exponential mean of the interval between accepted samples, ns; 0 before the second.
  double interval_ns() const { return interval_ns_.load(std::memory_order_relaxed); }

 private:
  static constexpr int64_t kCandidateGapNs = 1'000'000'000;
  // A late packet is common and a clock that starts again is rare: the former must not pass as it.
  static constexpr int kBackwardsWitnesses = 8;
  static constexpr int kJumpWitnesses = 2;
  static constexpr double kIntervalShare = 0.05;

  Verdict accept(int64_t timestamp_ns, bool restarted) {
    if (has_newest_ && !restarted) {
      const double step = static_cast<double>(timestamp_ns - newest_ns_);
      const double mean = interval_ns();
      interval_ns_.store(mean > 0 ? mean + kIntervalShare * (step - mean) : step,
                         std::memory_order_relaxed);
    }
    newest_ns_ = timestamp_ns;
    has_newest_ = true;
    candidates_ = 0;
    counts_[0].fetch_add(1, std::memory_order_relaxed);
    return {PushStatus::ACCEPTED, restarted};
  }

  Verdict refuse(PushStatus status) {
    counts_[static_cast<size_t>(status)].fetch_add(1, std::memory_order_relaxed);
    return {status, false};
  }

  int64_t newest_ns_ = 0, candidate_ns_ = 0;
  bool has_newest_ = false;
  int candidates_ = 0;
  std::array<std::atomic<uint64_t>, kNumPushStatuses> counts_{};
  std::atomic<uint64_t> restarts_{0};
  std::atomic<double> interval_ns_{0.0};
};

}  // namespace same
