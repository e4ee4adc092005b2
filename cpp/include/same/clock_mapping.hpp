// Moves one device's timestamps to the tracker's clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace same {

// Given: t = device + offset + drift * device, exactly. Estimated: from pairs of a device stamp and
// its arrival on the tracker's clock. Arrival = stamp + offset + drift + latency, and latency only
// ever adds, so the smallest difference in each second lies on the clock's line (the convex-hull
// idea of Moon, Skelly and Towsley, "Estimation and removal of clock skew", 1999); a straight line
// is fitted through the last such minima. Only the shortest latency itself stays unknown: give it.
//
// A device's clock may also step. A sample well below the line can only mean a line that is too
// high: the line starts anew at once. Samples that stay well above it for several seconds may be a
// step back or a link that has become slower, which nobody can tell apart: it starts anew as well.
//
// For one thread; fixed memory.
class ClockMapping {
 public:
  static ClockMapping given(int64_t offset_ns, double drift_ppm);
  static ClockMapping estimated(int64_t min_latency_ns);

  // To the tracker's clock; an estimated mapping also learns from the arrival.
  int64_t map(int64_t device_ns, int64_t arrival_ns);
  // Forget what was learned.
  void restart();

  bool estimates() const { return estimates_; }
  // What map() would add to a stamp of this time.
  int64_t offset_at(int64_t device_ns) const;
  // On the tracker's clock; -1 or kMaxTimestampNs where it is outside of what a time can be.
  int64_t mapped(int64_t device_ns) const;
  double drift_ppm() const { return 1e6 * drift_; }
  // Times a line that was known well turned out to hold no longer.
  uint64_t breaks() const { return breaks_; }

 private:
  static constexpr size_t kBuckets = 60;
  static constexpr size_t kMinBucketsForDrift = 5;
  static constexpr int64_t kBucketNs = 1'000'000'000;
  static constexpr double kMaxDrift = 500e-6;
  // How far off the line a sample must be to speak against it: so many times the spread of the
  // minima about it, within these bounds.
  static constexpr double kStepSpreads = 4.0;
  static constexpr int64_t kMinStepNs = 5'000'000, kMaxStepNs = 20'000'000;
  static constexpr size_t kHighBuckets = 3;

  struct Minimum {
    int64_t device_ns = 0, difference_ns = 0;
  };

  int64_t line_at(int64_t device_ns) const;
  void learn(int64_t device_ns, int64_t difference_ns);
  void begin_at(const Minimum& first);
  void close_bucket();
  void keep(const Minimum& minimum);
  void fit();

  bool estimates_ = false;
  int64_t min_latency_ns_ = 0;
  // offset(t) = offset + drift * (t - reference)
  int64_t offset_ns_ = 0, reference_ns_ = 0;
  double drift_ = 0.0;
  bool started_ = false;
  Minimum filling_;  // of the second that is not over
  int64_t bucket_end_ns_ = 0;
  std::array<Minimum, kBuckets> minima_{};  // a ring of complete seconds
  size_t count_ = 0;
  std::array<Minimum, kHighBuckets> high_{};  // seconds in a row that lie above the line
  size_t high_count_ = 0;
  int64_t step_ns_ = kMaxStepNs;
  uint64_t breaks_ = 0;
};

}  // namespace same
