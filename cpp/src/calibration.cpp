#include "same/calibration.hpp"

#include <string>
#include <utility>

namespace same {

Calibration::Calibration(Ingestion& ingestion, double ground_y, OnFailure on_failure)
    : ingestion_(ingestion),
      on_failure_(std::move(on_failure)),
      legs_(ingestion),
      ground_y_world_(ground_y) {}

CalibrationState Calibration::height_state() const {
  const std::lock_guard lock(mutex_);
  return height_.state();
}

CalibrationState Calibration::legs_state() const {
  const std::lock_guard lock(mutex_);
  return legs_.state();
}

const char* Calibration::legs_failure() const {
  const std::lock_guard lock(mutex_);
  return legs_.failure();
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
  return legs_.straps(ground_y_world_);
}

bool Calibration::leg_straps_hold() const {
  const std::lock_guard lock(mutex_);
  return legs_.known() && !legs_.changed();
}

bool Calibration::legs_changed() const {
  const std::lock_guard lock(mutex_);
  return legs_.changed();
}

double Calibration::ground_y() const { return ground_y_world() - newest_space_y(); }

double Calibration::ground_y_world() const {
  const std::lock_guard lock(mutex_);
  return ground_y_world_;
}

RigidTransform Calibration::T_user_space() const {
  const std::lock_guard lock(mutex_);
  return frame_.T_user_space();
}

UserSettings Calibration::user(int64_t timestamp_ns) const {
  const ReferenceSpaces spaces = ingestion_.spaces();
  const std::lock_guard lock(mutex_);
  UserSettings user{
      ground_y_world_, bones_.lengths(), {}, frame_.changes() + spaces.changes(timestamp_ns)};
  if (spaces.changed() || frame_.state() != CalibrationState::DEFAULT)
    user.T_user_world = frame_.T_user_space() * inverse(spaces.T_world_space(timestamp_ns));
  return user;
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

void Calibration::forget_user() {
  const std::lock_guard lock(mutex_);
  height_ = {};
  bones_ = {};
  legs_.forget();
}

void Calibration::give_floor(double ground_y) {
  const double ground_y_world = ground_y + newest_space_y();
  const std::lock_guard lock(mutex_);
  ground_y_world_ = ground_y_world;
  floor_state_ = CalibrationState::GIVEN;
}

double Calibration::floor_from_controller(const DeviceStates& states) {
  const double ground_y_world = floor_under(states);
  const double ground_y = ground_y_world - newest_space_y();
  const std::lock_guard lock(mutex_);
  ground_y_world_ = ground_y_world;
  floor_state_ = CalibrationState::DONE;
  return ground_y;
}

void Calibration::start_legs() {
  const std::lock_guard lock(mutex_);
  legs_.start();
}

void Calibration::recentre(const DeviceStates& states, bool keep_place) {
  const ReferenceSpaces spaces = ingestion_.spaces();
  DeviceStates told = states;
  // In the space that poses come out of from now on, though no sample of it may be here yet.
  if (spaces.changed())
    told.poses[kHead] = moved(inverse(spaces.T_world_newest()), states.poses[kHead]);
  const std::lock_guard lock(mutex_);
  frame_.recentre(told, keep_place);
}

void Calibration::update(const Pose& pose, const DeviceStates& states, double ground_y_world) {
  const char* failure = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const bool worn = pose.status != PoseStatus::INVALID;
    // A headset that was put down covered is known not to be worn after some seconds only.
    if (worn && !pose.reasons.contains(Reason::CAMERAS_COVERED))
      height_.update(states, ground_y_world);
    bones_.update(pose);
    failure = legs_.update(states, ground_y_world, worn);
  }
  if (failure && on_failure_) on_failure_((std::string("leg calibration: ") + failure).c_str());
}

double Calibration::newest_space_y() const {
  return ingestion_.spaces().T_world_newest().translation[1];
}

}  // namespace same
