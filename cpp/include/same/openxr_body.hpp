// A pose as the 24 joints of OpenXR's XR_BD_body_tracking: the 22 and two hands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "same/devices.hpp"
#include "same/pose.hpp"

namespace same {

constexpr size_t kNumOpenXrJoints = 24;  // in the order of XrBodyJointBD

// Bits of XrSpaceLocationFlags.
constexpr uint64_t kOrientationValid = 1, kPositionValid = 2;
constexpr uint64_t kOrientationTracked = 4, kPositionTracked = 8;

// As XrBodyJointLocationsBD has it. All in the world; in the T-pose each joint's +x is the body's
// right and +z backward.
struct OpenXrBody {
  std::array<Vec3, kNumOpenXrJoints> positions{};  // metres
  std::array<Quaternion, kNumOpenXrJoints> orientations{};
  // Valid unless the pose is INVALID, tracked where a camera sees the joint or a device is worn.
  std::array<uint64_t, kNumOpenXrJoints> flags{};
  bool all_tracked = false;
  std::array<Vec3, kNumOpenXrJoints> velocities{};  // m/s
  std::array<Vec3, kNumOpenXrJoints> turn_rates{};  // rad/s
};

// `skeleton` is solved from `pose`. The hands turn as the wrists and lie straight beyond them.
inline OpenXrBody openxr_body(const Pose& pose, const Skeleton& skeleton) {
  constexpr float kSeen = 0.5F;        // confidence above which a camera sees a joint
  constexpr double kHandShare = 0.35;  // wrist to the middle of the hand, over the forearm's length
  constexpr std::array<int, kNumPoseDevices> kWornAt{kHeadJoint, kLeftWrist, kRightWrist};
  OpenXrBody body;
  const SolvedSkeleton& solved = skeleton.solved;
  std::array<bool, kNumOpenXrJoints> tracked{};
  for (size_t j = 0; j < kNumJoints; ++j) {
    body.positions[j] = solved.joints[j];
    body.orientations[j] = solved.rotations[j];
    body.velocities[j] = solved.velocities[j];
    body.turn_rates[j] = solved.turn_rates[j];
    tracked[j] = pose.joint_confidence[j] > kSeen;
  }
  for (size_t device = 0; device < kWornAt.size(); ++device)
    if (pose.device_orientations[device]) tracked[static_cast<size_t>(kWornAt[device])] = true;
  for (size_t hand = kNumJoints; hand < kNumOpenXrJoints; ++hand) {
    const size_t wrist = hand - kNumJoints + kLeftWrist;
    const Vec3 ahead = rotate(solved.rotations[wrist], kHandShare * skeleton.offsets[wrist]);
    body.positions[hand] = solved.joints[wrist] + ahead;
    body.orientations[hand] = solved.rotations[wrist];
    body.velocities[hand] = solved.velocities[wrist] + cross(solved.turn_rates[wrist], ahead);
    body.turn_rates[hand] = solved.turn_rates[wrist];
    tracked[hand] = tracked[wrist];
  }
  if (pose.status == PoseStatus::INVALID) return body;
  body.all_tracked = true;
  for (size_t j = 0; j < kNumOpenXrJoints; ++j) {
    body.flags[j] = kOrientationValid | kPositionValid;
    if (tracked[j]) body.flags[j] |= kOrientationTracked | kPositionTracked;
    body.all_tracked = body.all_tracked && tracked[j];
  }
  return body;
}

}  // namespace same
