#include "same/height.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace same {
namespace {

// Height of the eyes over stature (Winter, Biomechanics and Motor Control, 2009, fig. 4.1).
constexpr double kEyeHeightShare = 0.936;
constexpr double kUprightDeg = 20.0;

}  // namespace

void Height::give(double height_m) {
  given_m_ = height_m;
  state_ = CalibrationState::GIVEN;
}

std::optional<double> Height::user_height_m(double ground_y) const {
  if (state_ == CalibrationState::GIVEN) return given_m_;
  if (state_ != CalibrationState::DONE) return std::nullopt;
  return (*held_y_ - ground_y) / kEyeHeightShare;
}

void Height::update(const DeviceStates& states, double ground_y) {
  static const double upright_cos = std::cos(kUprightDeg * std::numbers::pi / 180.0);
  if (state_ == CalibrationState::GIVEN ||
      upwards(states.poses[kHead].orientation) < upright_cos)
    return;
  const double head_y = states.poses[kHead].position[1];
  const double height_m = (head_y - ground_y) / kEyeHeightShare;
  if (!(kLowestStatureM <= height_m && height_m <= kHighestStatureM)) return;

  // The least of a second: who jumps or stretches for a moment is no taller for it.
  const bool anew = !started_ || states.timestamp_ns < since_ns_;
  lowest_y_ = anew ? head_y : std::min(lowest_y_, head_y);
  if (anew) {
    started_ = true;
    since_ns_ = states.timestamp_ns;
  } else if (states.timestamp_ns - since_ns_ >= kHeldNs) {
    held_y_ = held_y_ ? std::max(*held_y_, lowest_y_) : lowest_y_;
    started_ = false;
  }
  if (count_ < kSamples) ++count_;
  if (count_ == kSamples && held_y_) state_ = CalibrationState::DONE;
}

}  // namespace same
