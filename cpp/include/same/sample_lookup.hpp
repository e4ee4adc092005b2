// A device's state at any time, from the samples around it, and how it was obtained.
#pragma once

#include <algorithm>
#include <cstdint>

#include "same/device_samples.hpp"
#include "same/sample_ring.hpp"

namespace same {

// Ordered by trust.
enum class LookupKind { MISSING = 0, EXTRAPOLATED = 1, INTERPOLATED = 2, EXACT = 3 };

struct LookupLimits {
  int64_t max_gap_ns;            // farthest apart two samples may be to be related
  int64_t max_extrapolation_ns;  // farthest beyond the newest sample
  bool bridge_jumps = true;      // interpolate even where no motion leads from pose to pose
};

template <typename Payload>
struct Lookup {
  LookupKind how = LookupKind::MISSING;
  Payload payload{};
  int64_t beyond_ns = 0;  // how far extrapolated
};

// Two samples a burst apart hold no usable velocity: motion beyond the newest sample is never
// more than this many times what the last two samples showed.
constexpr double kMaxExtrapolationRatio = 16.0;

struct AnyStep {
  template <typename Payload>
  bool operator()(const Payload&, const Payload&, int64_t) const {
    return true;
  }
};

// `related(a, b, gap_ns)`: whether motion leads from a to b. Across samples that it does not join
// nothing is interpolated or continued: the earlier one is held.
template <typename Payload, typename Related = AnyStep>
Lookup<Payload> look_up(const SampleRing<Payload>& ring, int64_t timestamp_ns,
                        const LookupLimits& limits, Related&& related = {}) {
  const auto bracket = ring.bracket(timestamp_ns);
  if (!bracket || !bracket->before) return {};
  const auto& [earlier, before, after] = *bracket;
  const int64_t since_before_ns = timestamp_ns - before->timestamp_ns;
  if (since_before_ns == 0) return {LookupKind::EXACT, before->payload, 0};
  if (after) {
    const int64_t gap_ns = after->timestamp_ns - before->timestamp_ns;
    if (gap_ns > limits.max_gap_ns) return {};
    if (!limits.bridge_jumps && !related(before->payload, after->payload, gap_ns))
      return {LookupKind::EXTRAPOLATED, before->payload, since_before_ns};
    const double fraction = static_cast<double>(since_before_ns) / static_cast<double>(gap_ns);
    return {LookupKind::INTERPOLATED, interpolate(before->payload, after->payload, fraction), 0};
  }
  if (since_before_ns > limits.max_extrapolation_ns) return {};
  if (!earlier) return {LookupKind::EXTRAPOLATED, before->payload, since_before_ns};
  const int64_t gap_ns = before->timestamp_ns - earlier->timestamp_ns;
  if (gap_ns > limits.max_gap_ns ||
      (!limits.bridge_jumps && !related(earlier->payload, before->payload, gap_ns)))
    return {LookupKind::EXTRAPOLATED, before->payload, since_before_ns};
  const double beyond = static_cast<double>(since_before_ns) / static_cast<double>(gap_ns);
  const double fraction = 1.0 + std::min(beyond, kMaxExtrapolationRatio);
  return {LookupKind::EXTRAPOLATED, extrapolate(earlier->payload, before->payload, fraction),
          since_before_ns};
}

}  // namespace same
