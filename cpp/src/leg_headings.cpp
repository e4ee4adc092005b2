#include "same/leg_headings.hpp"

#include <cmath>
#include <numbers>

namespace same {
namespace {

// A tracker that corrects itself turns by less, and not what legs read.
constexpr double kLeastTurnRad = 0.15;

double wrapped(double angle) { return std::remainder(angle, 2.0 * std::numbers::pi); }

// Whether between two readings a sensor turned about y rather by `yaw` than not, whatever else it
// did.
bool turned_along(double yaw, const std::optional<Quaternion>& before,
                  const std::optional<Quaternion>& now) {
  if (!before || !now) return false;
  const Quaternion turn = *now * conjugate(*before);
  const double own = wrapped(2.0 * std::atan2(turn.y, turn.w));
  return std::abs(wrapped(own - yaw)) < std::abs(own);
}

}  // namespace

LegHeadings::Readings LegHeadings::read(const DeviceStates& states) {
  Readings readings;
  for (int leg = 0; leg < kNumLegDevices; ++leg)
    if (states.has(kNumPoseDevices + leg)) readings[leg] = states.legs[leg].orientation;
  return readings;
}

void LegHeadings::world_turned(int64_t timestamp_ns, double yaw, const Readings& before,
                               const Readings& now) {
  if (std::abs(yaw) < kLeastTurnRad) return;
  turned_ = yaw;
  turned_ns_ = timestamp_ns;
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    may_follow_[leg] = !turned_along(yaw, before[leg], now[leg]);
    if (may_follow_[leg]) yaws_[leg] = wrapped(yaws_[leg] + yaw);
  }
}

void LegHeadings::catch_up(int64_t timestamp_ns, const Readings& before, const Readings& now) {
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    if (!may_follow_[leg]) continue;
    const bool follows = turned_along(turned_, before[leg], now[leg]);
    if (follows) yaws_[leg] = wrapped(yaws_[leg] - turned_);
    may_follow_[leg] = !follows && timestamp_ns - turned_ns_ < kTurnsAlongNs;
  }
}

void LegHeadings::apply(DeviceStates& states) const {
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    if (yaws_[leg] == 0.0) continue;
    const Quaternion turn = rotation_about({0, 1, 0}, yaws_[leg]);
    LegSample& sample = states.legs[leg];
    sample = {rotate(turn, sample.acceleration), normalised(turn * sample.orientation)};
  }
}

}  // namespace same
