// Every number of a pose is finite, whatever was put in.
#pragma once

#include <cmath>

#include "check.hpp"
#include "same/pose.hpp"

inline void check_finite(const same::Vec3& v) {
  for (const double x : v) SAME_CHECK(std::isfinite(x));
}

inline void check_finite(const same::Quaternion& q) {
  for (const double x : {q.x, q.y, q.z, q.w}) SAME_CHECK(std::isfinite(x));
}

inline void check_whole(const same::Pose& pose) {
  for (const same::Vec3& joint : pose.joints_world) check_finite(joint);
  for (const same::Vec3& joint : pose.joints_cam_left) check_finite(joint);
  for (const float confidence : pose.joint_confidence)
    SAME_CHECK(confidence >= 0.0f && confidence <= 1.0f);
  for (const double x : pose.T_world_cam_left.rotation) SAME_CHECK(std::isfinite(x));
  check_finite(pose.T_world_cam_left.translation);
  for (const auto& orientation : pose.device_orientations)
    if (orientation) check_finite(*orientation);
  const bool valid = pose.status == same::PoseStatus::VALID;
  SAME_CHECK(valid == (pose.reasons.size() == 0 && pose.timestamp_ns > 0));
  if (!pose.skeleton) return;
  const same::SolvedSkeleton& solved = pose.skeleton->solved;
  for (const same::Vec3& joint : solved.joints) check_finite(joint);
  for (const same::Quaternion& rotation : solved.rotations) check_finite(rotation);
  for (const same::Quaternion& rotation : solved.local) check_finite(rotation);
  for (const same::Vec3& velocity : solved.velocities) check_finite(velocity);
  for (const same::Vec3& rate : solved.turn_rates) check_finite(rate);
  for (const same::Vec3& offset : pose.skeleton->offsets) check_finite(offset);
  for (const double contact : solved.foot_contacts) SAME_CHECK(contact >= 0.0 && contact <= 1.0);
}
