#include "same/clock_mapping.hpp"

#include <algorithm>
#include <cmath>

namespace same {

ClockMapping ClockMapping::given(int64_t offset_ns, double drift_ppm) {
  ClockMapping mapping;
  mapping.offset_ns_ = offset_ns;
  mapping.drift_ = 1e-6 * drift_ppm;
  return mapping;
}

ClockMapping ClockMapping::estimated(int64_t min_latency_ns) {
  ClockMapping mapping;
  mapping.estimates_ = true;
  mapping.min_latency_ns_ = min_latency_ns;
  return mapping;
}

int64_t ClockMapping::offset_at(int64_t device_ns) const {
  const double drifted = drift_ * static_cast<double>(device_ns - reference_ns_);
  return offset_ns_ + std::llround(drifted) - min_latency_ns_;
}

int64_t ClockMapping::map(int64_t device_ns, int64_t arrival_ns) {
  if (estimates_) learn(device_ns, arrival_ns - device_ns);
  return device_ns + offset_at(device_ns);
}

void ClockMapping::restart() {
  if (!estimates_) return;
  count_ = 0;
  drift_ = 0.0;
}

void ClockMapping::learn(int64_t device_ns, int64_t difference_ns) {
  if (count_ == 0 || device_ns >= bucket_end_ns_) {
    if (count_ > 0) fit();
    minima_[count_ % kBuckets] = {device_ns, difference_ns};
    bucket_end_ns_ = device_ns + kBucketNs;
    if (count_++ == 0) {
      reference_ns_ = device_ns;
      offset_ns_ = difference_ns;
    }
    return;
  }
  Minimum& newest = minima_[(count_ - 1) % kBuckets];
  if (difference_ns >= newest.difference_ns) return;
  newest = {device_ns, difference_ns};
  if (count_ < kMinBucketsForDrift) offset_ns_ = std::min(offset_ns_, difference_ns);
}

void ClockMapping::fit() {
  const size_t held = std::min(count_, kBuckets);
  if (held < kMinBucketsForDrift) return;
  // Differences to one of the points: exact in double, whatever the clocks' epochs.
  const Minimum& origin = minima_[(count_ - 1) % kBuckets];
  double mean_t = 0, mean_d = 0;
  for (size_t i = 0; i < held; ++i) {
    mean_t += static_cast<double>(minima_[i].device_ns - origin.device_ns);
    mean_d += static_cast<double>(minima_[i].difference_ns - origin.difference_ns);
  }
  mean_t /= static_cast<double>(held);
  mean_d /= static_cast<double>(held);
  double covariance = 0, variance = 0;
  for (size_t i = 0; i < held; ++i) {
    const double t = static_cast<double>(minima_[i].device_ns - origin.device_ns) - mean_t;
    const double d = static_cast<double>(minima_[i].difference_ns - origin.difference_ns) - mean_d;
    covariance += t * d;
    variance += t * t;
  }
  drift_ = std::clamp(covariance / std::max(variance, 1.0), -kMaxDrift, kMaxDrift);
  reference_ns_ = origin.device_ns;
  offset_ns_ = origin.difference_ns + std::llround(mean_d - drift_ * mean_t);
}

}  // namespace same
