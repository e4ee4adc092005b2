// The user's frame: where forward is and where its origin lies; and the floor under the user.
#pragma once

#include "same/calibration_state.hpp"
#include "same/pose.hpp"
#include "same/synchroniser.hpp"

namespace same {

// The frame that poses come out in: the world until it is recentred (yaw and place).
class UserFrame {
 public:
  // Makes the head's heading in `states` forward (-z), and unless `keep_place` its place on the
  // floor the origin. Throws std::invalid_argument while the head is not tracked.
  void recentre(const DeviceStates& states, bool keep_place);
  // Brings a pose of the world into this frame.
  void enter(Pose& pose) const;

  CalibrationState state() const { return state_; }
  const RigidTransform& T_user_world() const { return T_user_world_; }

 private:
  CalibrationState state_ = CalibrationState::DEFAULT;
  RigidTransform T_user_world_;
};

// The same body in another frame: turned, then moved.
void move(Skeleton& skeleton, const Quaternion& turn, const Vec3& translation);

// The lower controller's height, which was put on the floor. Throws std::invalid_argument when no
// controller is tracked, and when a head above it is where no head is while a hand reaches the
// floor.
double floor_under(const DeviceStates& states);

}  // namespace same
