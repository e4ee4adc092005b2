#include "same/head_motion.hpp"

#include <algorithm>
#include <cstdlib>

#include "same/inertial_features.hpp"

namespace same {
namespace {

constexpr int64_t kShortestGapNs = 4'000'000, kLongestGapNs = 100'000'000;
constexpr int64_t kFurthestBeyondNs = 25'000'000;
// How far a head may be from where it was expected: errors of sensors, and what motion gains in a
// time, squared. In recordings of jumps, sword fights and falls it was half to nine tenths of that.
constexpr double kLeastM = 0.06, kMostMps2 = 40.0;
constexpr double kLeastRad = 0.12, kMostRadps2 = 200.0;

double squared_s(int64_t ns) { return 1e-18 * static_cast<double>(ns) * static_cast<double>(ns); }

}  // namespace

std::optional<HeadMotion> head_motion(const DeviceStates& before, const DeviceStates& after) {
  const int64_t gap_ns = after.timestamp_ns - before.timestamp_ns;
  if (gap_ns < kShortestGapNs || gap_ns > kLongestGapNs ||
      std::max(before.head_beyond_ns, after.head_beyond_ns) > kFurthestBeyondNs)
    return std::nullopt;
  const double rate = 1e9 / static_cast<double>(gap_ns);
  const PoseSample &a = before.poses[kHead], &b = after.poses[kHead];
  return HeadMotion{rate * (b.position - a.position),
                    rate * rotation_log(conjugate(a.orientation) * b.orientation)};
}

PoseSample expected_head(const DeviceStates& before, const std::optional<HeadMotion>& motion,
                         int64_t gap_ns) {
  const PoseSample& head = before.poses[kHead];
  if (!motion || std::abs(gap_ns) > kLongestGapNs) return head;
  const double seconds = 1e-9 * static_cast<double>(gap_ns);
  return {head.position + seconds * motion->velocity,
          normalised(head.orientation * rotation_exp(seconds * motion->turn_rate))};
}

Jump head_jump(const DeviceStates& before, const std::optional<HeadMotion>& motion,
               const DeviceStates& after) {
  const int64_t gap_ns = after.timestamp_ns - before.timestamp_ns;
  const int64_t apart_ns = std::min(std::abs(gap_ns), kMaxVelocityGapNs);
  const PoseSample& now = after.poses[kHead];
  const Jump jump = jump_between(kFurthestOfHead, before.poses[kHead], now,
                                 apart_ns + before.head_beyond_ns + after.head_beyond_ns);
  if (!motion || apart_ns > kLongestGapNs || after.head_beyond_ns > kFurthestBeyondNs) return jump;
  // What is expected takes over the errors of two guesses, that of the slope twice.
  const double squared =
      squared_s(apart_ns) + squared_s(after.head_beyond_ns) + 4 * squared_s(before.head_beyond_ns);
  const FurthestStep aside{kLeastM + kMostMps2 * squared, 0, kLeastRad + kMostRadps2 * squared, 0};
  const Jump off = jump_between(aside, expected_head(before, motion, gap_ns), now, 0);
  return {jump.moved || off.moved, jump.turned || off.turned};
}

}  // namespace same
