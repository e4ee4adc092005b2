// The user's frame: where forward is and where its origin lies; and the floor under the user.
#pragma once

#include "same/calibration_state.hpp"
#include "same/pose.hpp"
#include "same/synchroniser.hpp"

namespace same {

// The frame that poses come out in: the space that head and controllers are told in until it is
// recentred (yaw and place). `states` are of that space.
class UserFrame {
 public:
  // Makes the head's heading in `states` forward (-z), and unless `keep_place` its place on the
  // floor the origin. Throws std::invalid_argument while the head is not tracked.
  void recentre(const DeviceStates& states, bool keep_place);

  CalibrationState state() const { return state_; }
  const RigidTransform& T_user_space() const { return T_user_space_; }
  uint64_t changes() const { return changes_; }

 private:
  CalibrationState state_ = CalibrationState::DEFAULT;
  RigidTransform T_user_space_;
  uint64_t changes_ = 0;
};

// The same body in another frame: turned about y, then moved.
void move(Pose& pose, const RigidTransform& T);
void move(Skeleton& skeleton, const Quaternion& turn, const Vec3& translation);

// The lower controller's height, which was put on the floor. Throws std::invalid_argument when no
// controller is tracked, and when a head above it is where no head is while a hand reaches the
// floor.
double floor_under(const DeviceStates& states);

}  // namespace same
