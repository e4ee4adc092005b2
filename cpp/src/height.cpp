#include "same/height.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace same {
namespace {

// Height of the eyes over stature (Winter, Biomechanics and Motor Control, 2009, fig. 4.1).
constexpr double kEyeHeightShare = 0.936;
constexpr double kUprightDeg = 20.0;
constexpr int64_t kHeldNs = 1'000'000'000, kLongestGapNs = 500'000'000;

}  // namespace

void Height::give(double height_m) {
  given_m_ = height_m;
  state_ = CalibrationState::GIVEN;
}

std::optional<double> Height::user_height_m() const {
  if (state_ == CalibrationState::GIVEN) return given_m_;
  if (state_ != CalibrationState::DONE) return std::nullopt;
  return held_m_.front() / kEyeHeightShare;
}

void Height::forget() {
  seconds_ = 0;
  holds_ = false;
  held_m_ = {};
  state_ = CalibrationState::COLLECTING;
}

void Height::update(const DeviceStates& states, double ground_y) {
  static const double upright_cos = std::cos(kUprightDeg * std::numbers::pi / 180.0);
  if (state_ == CalibrationState::GIVEN) return;
  if (ground_y != ground_y_) forget();
  ground_y_ = ground_y;

  const int64_t now_ns = states.timestamp_ns;
  const double head_m = states.poses[kHead].position[1] - ground_y;
  const double height_m = head_m / kEyeHeightShare;
  if (upwards(states.poses[kHead].orientation) < upright_cos ||
      !(kLowestStatureM <= height_m && height_m <= kHighestStatureM)) {
    holds_ = false;
    return;
  }
  if (holds_ && (now_ns < newest_ns_ || now_ns - newest_ns_ > kLongestGapNs)) holds_ = false;
  if (!holds_) first_ns_ = now_ns;
  // The least of a second: who jumps or stretches for a moment is no taller for it.
  lowest_m_ = holds_ ? std::min(lowest_m_, head_m) : head_m;
  newest_ns_ = now_ns;
  holds_ = now_ns - first_ns_ < kHeldNs;
  if (holds_) return;

  held_m_.front() = std::max(held_m_.front(), lowest_m_);
  std::sort(held_m_.begin(), held_m_.end());
  if (seconds_ < kSeconds && ++seconds_ == kSeconds) state_ = CalibrationState::DONE;
}

}  // namespace same
