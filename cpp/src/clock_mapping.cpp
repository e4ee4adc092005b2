#include "same/clock_mapping.hpp"

#include <algorithm>
#include <cmath>

#include "same/timestamp_gate.hpp"

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

int64_t ClockMapping::line_at(int64_t device_ns) const {
  return offset_ns_ + std::llround(drift_ * static_cast<double>(device_ns - reference_ns_));
}

int64_t ClockMapping::offset_at(int64_t device_ns) const {
  return line_at(device_ns) - min_latency_ns_;
}

int64_t ClockMapping::mapped(int64_t device_ns) const {
  const int64_t offset_ns = offset_at(device_ns);
  if (offset_ns > kMaxTimestampNs) return kMaxTimestampNs;  // their sum may be beyond 64 bits
  return std::clamp<int64_t>(device_ns + offset_ns, -1, kMaxTimestampNs);
}

int64_t ClockMapping::map(int64_t device_ns, int64_t arrival_ns) {
  if (estimates_) learn(device_ns, arrival_ns - device_ns);
  return mapped(device_ns);
}

void ClockMapping::restart() {
  if (!estimates_) return;
  started_ = false;
  count_ = high_count_ = 0;
  drift_ = 0.0;
  step_ns_ = kMaxStepNs;
}

void ClockMapping::begin_at(const Minimum& first) {
  restart();
  started_ = true;
  filling_ = first;
  bucket_end_ns_ = first.device_ns + kBucketNs;
  reference_ns_ = first.device_ns;
  offset_ns_ = first.difference_ns;
}

void ClockMapping::learn(int64_t device_ns, int64_t difference_ns) {
  const Minimum sample{device_ns, difference_ns};
  if (!started_) return begin_at(sample);
  if (difference_ns < line_at(device_ns) - step_ns_) {
    // Before the line is fitted this is only a first sample that came late.
    if (count_ >= kMinBucketsForDrift) ++breaks_;
    return begin_at(sample);
  }
  if (device_ns >= bucket_end_ns_) {
    close_bucket();
    filling_ = sample;
    bucket_end_ns_ = device_ns + kBucketNs;
  } else if (difference_ns < filling_.difference_ns) {
    filling_ = sample;
  }
  if (count_ < kMinBucketsForDrift) offset_ns_ = std::min(offset_ns_, difference_ns);
}

void ClockMapping::close_bucket() {
  if (filling_.difference_ns <= line_at(filling_.device_ns) + step_ns_) {
    high_count_ = 0;
    return keep(filling_);
  }
  high_[high_count_++] = filling_;
  if (high_count_ < kHighBuckets) return;
  const auto high = high_;
  ++breaks_;
  begin_at(*std::min_element(high.begin(), high.end(), [](const Minimum& a, const Minimum& b) {
    return a.difference_ns < b.difference_ns;
  }));
  for (const Minimum& minimum : high) keep(minimum);
}

void ClockMapping::keep(const Minimum& minimum) {
  minima_[count_++ % kBuckets] = minimum;
  if (count_ >= kMinBucketsForDrift) fit();
}

void ClockMapping::fit() {
  const size_t held = std::min(count_, kBuckets);
  // Differences to one of the points: exact in double, whatever the clocks' epochs.
  const Minimum& origin = minima_[(count_ - 1) % kBuckets];
  const auto time_of = [&](size_t i) {
    return static_cast<double>(minima_[i].device_ns - origin.device_ns);
  };
  const auto difference_of = [&](size_t i) {
    return static_cast<double>(minima_[i].difference_ns - origin.difference_ns);
  };
  double mean_t = 0, mean_d = 0;
  for (size_t i = 0; i < held; ++i) {
    mean_t += time_of(i) / static_cast<double>(held);
    mean_d += difference_of(i) / static_cast<double>(held);
  }
  double covariance = 0, variance = 0;
  for (size_t i = 0; i < held; ++i) {
    covariance += (time_of(i) - mean_t) * (difference_of(i) - mean_d);
    variance += (time_of(i) - mean_t) * (time_of(i) - mean_t);
  }
  drift_ = std::clamp(covariance / std::max(variance, 1.0), -kMaxDrift, kMaxDrift);
  reference_ns_ = origin.device_ns;
  offset_ns_ = origin.difference_ns + std::llround(mean_d - drift_ * mean_t);
  double spread = 0;
  for (size_t i = 0; i < held; ++i) {
    const double residual = difference_of(i) - mean_d - drift_ * (time_of(i) - mean_t);
    spread += residual * residual / static_cast<double>(held);
  }
  step_ns_ =
      std::clamp(static_cast<int64_t>(kStepSpreads * std::sqrt(spread)), kMinStepNs, kMaxStepNs);
}

}  // namespace same
