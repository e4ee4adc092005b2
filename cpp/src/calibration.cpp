#include "same/calibration.hpp"

#include <string>
#include <utility>

namespace same {

Calibration::Calibration(Ingestion& ingestion, double ground_y, OnFailure on_failure)
    : on_failure_(std::move(on_failure)), legs_(ingestion), ground_y_(ground_y) {}

CalibrationState Calibration::height_state() const {
  const std::lock_guard lock(mutex_);
  return height_.state();
}

CalibrationState Calibration::legs_state() const {
  const std::lock_guard lock(mutex_);
  return legs_.state();
}

CalibrationState Calibration::floor_state() const {
  const std::lock_guard lock(mutex_);
  return floor_state_;
}

CalibrationState Calibration::forward_state() const {
  const std::lock_guard lock(mutex_);
  return frame_.state();
}

std::optional<double> Calibration::user_height_m() const {
  const std::lock_guard lock(mutex_);
  return height_.user_height_m();
}

std::optional<BoneLengths> Calibration::bone_lengths() const {
  const std::lock_guard lock(mutex_);
  return bones_.lengths();
}

std::optional<LegStraps> Calibration::leg_straps() const {
  const std::lock_guard lock(mutex_);
  return legs_.straps(ground_y_);
}

bool Calibration::leg_straps_hold() const {
  const std::lock_guard lock(mutex_);
  return legs_.known() && !legs_.changed();
}

bool Calibration::legs_changed() const {
  const std::lock_guard lock(mutex_);
  return legs_.changed();
}

double Calibration::ground_y() const {
  const std::lock_guard lock(mutex_);
  return ground_y_;
}

RigidTransform Calibration::T_user_world() const {
  const std::lock_guard lock(mutex_);
  return frame_.T_user_world();
}

UserSettings Calibration::user() const {
  const std::lock_guard lock(mutex_);
  return {ground_y_, bones_.lengths(), frame_};
}

void Calibration::give_user_height(double height_m) {
  const std::lock_guard lock(mutex_);
  height_.give(height_m);
}

void Calibration::give_bone_lengths(const BoneLengths& lengths) {
  const std::lock_guard lock(mutex_);
  bones_.give(lengths);
}

void Calibration::give_leg_straps(const LegStraps& straps) {
  const std::lock_guard lock(mutex_);
  legs_.give(straps);
}

void Calibration::give_floor(double ground_y) {
  const std::lock_guard lock(mutex_);
  ground_y_ = ground_y;
  floor_state_ = CalibrationState::GIVEN;
}

double Calibration::floor_from_controller(const DeviceStates& states) {
  const double ground_y = floor_under(states);
  const std::lock_guard lock(mutex_);
  ground_y_ = ground_y;
  floor_state_ = CalibrationState::DONE;
  return ground_y;
}

void Calibration::start_legs() {
  const std::lock_guard lock(mutex_);
  legs_.start();
}

void Calibration::recentre(const DeviceStates& states, bool keep_place) {
  const std::lock_guard lock(mutex_);
  frame_.recentre(states, keep_place);
}

void Calibration::update(const Pose& pose, const DeviceStates& states, double ground_y) {
  const char* failure = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const bool worn =
        pose.status != PoseStatus::INVALID && !pose.reasons.contains(Reason::CAMERAS_COVERED);
    if (worn) height_.update(states, ground_y);
    bones_.update(pose);
    failure = legs_.update(states, ground_y, worn);
  }
  if (failure && on_failure_) on_failure_((std::string("leg calibration: ") + failure).c_str());
}

}  // namespace same
