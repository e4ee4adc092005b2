#include "same/leg_headings.hpp"

#include <cmath>
#include <numbers>

namespace same {
namespace {

// A tracker that corrects itself turns by less, and not what legs read.
constexpr double kLeastTurnRad = 0.15;
constexpr double kAbout = 0.4;  // how far off, of a turn, is another one

double wrapped(double angle) { return std::remainder(angle, 2.0 * std::numbers::pi); }

}  // namespace

LegHeadings::Readings LegHeadings::read(const DeviceStates& states) {
  Readings readings;
  for (int leg = 0; leg < kNumLegDevices; ++leg)
    if (states.has(kNumPoseDevices + leg)) readings[leg] = states.legs[leg].orientation;
  return readings;
}

std::array<bool, kNumLegDevices> LegHeadings::turned(double yaw, const Readings& before,
                                                     const Readings& now) {
  std::array<bool, kNumLegDevices> along{};
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    if (!before[leg] || !now[leg]) continue;
    const Quaternion turn = *now[leg] * conjugate(*before[leg]);
    const double own = 2.0 * std::atan2(turn.y, turn.w);
    along[leg] = std::abs(wrapped(own - yaw)) < kAbout * std::abs(yaw);
  }
  return along;
}

void LegHeadings::world_turned(int64_t timestamp_ns, double yaw,
                               const std::array<bool, kNumLegDevices>& along, const Readings& now) {
  if (std::abs(yaw) < kLeastTurnRad) return;
  turned_ = yaw;
  turned_ns_ = timestamp_ns;
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    may_follow_[leg] = now[leg] && !along[leg];
    if (may_follow_[leg]) yaws_[leg] = wrapped(yaws_[leg] + yaw);
  }
}

void LegHeadings::catch_up(int64_t timestamp_ns, const Readings& before, const Readings& now) {
  const int64_t age_ns = timestamp_ns - turned_ns_;
  if (age_ns < 0 || age_ns > kTurnsAlongNs) {
    may_follow_.fill(false);
    return;
  }
  const auto along = turned(turned_, before, now);
  for (int leg = 0; leg < kNumLegDevices; ++leg)
    if (may_follow_[leg] && along[leg]) {
      may_follow_[leg] = false;
      yaws_[leg] = wrapped(yaws_[leg] - turned_);
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
