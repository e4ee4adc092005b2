#include "same/user_frame.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "same/floor_anchor.hpp"

namespace same {
namespace {

// Where the head of somebody can be who puts a controller on the floor.
constexpr double kLeastHeightM = 0.3, kMostHeightM = 2.5;

bool is_known(const RigidTransform& T) { return T.rotation != Mat3{}; }

}  // namespace

void UserFrame::recentre(const DeviceStates& states, bool keep_place) {
  if (!states.has(kHead)) throw std::invalid_argument("recentre: the head is not tracked");
  RigidTransform T_space_anchor = floor_anchor(states.poses[kHead], 0.0);
  if (keep_place) T_space_anchor.translation = {};
  T_user_space_ = inverse(T_space_anchor);
  state_ = CalibrationState::DONE;
  ++changes_;
}

void move(Pose& pose, const RigidTransform& T) {
  const Quaternion turn = rotation_about({0, 1, 0}, std::atan2(T.rotation[2], T.rotation[0]));
  if (pose.has_body())
    for (Vec3& joint : pose.joints_world) joint = T * joint;
  if (is_known(pose.T_world_cam_left)) pose.T_world_cam_left = T * pose.T_world_cam_left;
  for (auto& device : pose.device_orientations)
    if (device) device = turn * *device;
  if (pose.skeleton) move(*pose.skeleton, turn, T.translation);
}

void move(Skeleton& skeleton, const Quaternion& turn, const Vec3& translation) {
  SolvedSkeleton& solved = skeleton.solved;
  for (int joint = 0; joint < kNumJoints; ++joint) {
    solved.joints[joint] = rotate(turn, solved.joints[joint]) + translation;
    solved.rotations[joint] = turn * solved.rotations[joint];
    solved.velocities[joint] = rotate(turn, solved.velocities[joint]);
    solved.turn_rates[joint] = rotate(turn, solved.turn_rates[joint]);
  }
  solved.local[kPelvis] = solved.rotations[kPelvis];
}

double floor_under(const DeviceStates& states) {
  std::optional<double> lowest;
  for (int device = 1; device < kNumPoseDevices; ++device)
    if (states.has(device)) {
      const double y = states.poses[device].position[1];
      lowest = lowest ? std::min(*lowest, y) : y;
    }
  if (!lowest) throw std::invalid_argument("floor: no controller is tracked; put one on the floor");
  if (!states.has(kHead))
    throw std::invalid_argument("floor: the head is not tracked, over which to judge it");
  const double head_height_m = states.poses[kHead].position[1] - *lowest;
  if (!(kLeastHeightM <= head_height_m && head_height_m <= kMostHeightM)) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "floor: expected the head %g..%g m above the lower controller, got %.2f m; put "
                  "one on the floor",
                  kLeastHeightM, kMostHeightM, head_height_m);
    throw std::invalid_argument(text);
  }
  return *lowest;
}

}  // namespace same
