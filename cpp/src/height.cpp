#include "same/height.hpp"

#include <cmath>
#include <numbers>

#include "same/quantile.hpp"

namespace same {
namespace {

// Height of the eyes over stature (Winter, Biomechanics and Motor Control, 2009, fig. 4.1).
constexpr double kEyeHeightShare = 0.936;
constexpr double kUprightDeg = 20.0;
// People stoop more often than they stretch.
constexpr double kQuantile = 0.9;

}  // namespace

void Height::give(double height_m) {
  user_height_m_ = height_m;
  state_ = CalibrationState::GIVEN;
}

void Height::update(const DeviceStates& states, double ground_y) {
  static const double upright_cos = std::cos(kUprightDeg * std::numbers::pi / 180.0);
  if (state_ != CalibrationState::COLLECTING ||
      upwards(states.poses[kHead].orientation) < upright_cos)
    return;
  const double head_height_m = states.poses[kHead].position[1] - ground_y;
  const double height_m = head_height_m / kEyeHeightShare;
  if (!(kLowestStatureM <= height_m && height_m <= kHighestStatureM)) return;
  head_heights_m_[count_++] = head_height_m;
  if (count_ < kSamples) return;
  user_height_m_ = quantile(head_heights_m_, kQuantile) / kEyeHeightShare;
  state_ = CalibrationState::DONE;
}

}  // namespace same
