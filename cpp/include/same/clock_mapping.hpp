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
  double drift_ppm() const { return 1e6 * drift_; }

 private:
  static constexpr size_t kBuckets = 60;
  static constexpr size_t kMinBucketsForDrift = 5;
  static constexpr int64_t kBucketNs = 1'000'000'000;
  static constexpr double kMaxDrift = 500e-6;

  struct Minimum {
    int64_t device_ns = 0, difference_ns = 0;
  };

  void learn(int64_t device_ns, int64_t difference_ns);
  void fit();

  bool estimates_ = false;
  int64_t min_latency_ns_ = 0;
  // offset(t) = offset + drift * (t - reference)
  int64_t offset_ns_ = 0, reference_ns_ = 0;
  double drift_ = 0.0;
  std::array<Minimum, kBuckets> minima_{};  // a ring; the newest bucket is still filling
  size_t count_ = 0;
  int64_t bucket_end_ns_ = 0;
};

}  // namespace same
