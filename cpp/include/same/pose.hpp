// What comes out: one full-body pose with its status. same_runtime/pose.py says what each reason
// means; names and order are the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "same/skeleton_solver.hpp"
#include "same/synchroniser.hpp"

namespace same {

// How far a pose can be trusted: the levels of OpenXR's XR_BD_body_tracking_auxiliary_metrics.
enum class PoseStatus : int { INVALID, LIMITED, VALID };

// Why a pose is not VALID.
enum class Reason : int {
  HEAD_LOST,
  RELOCALISED,
  OVERLOADED,
  WARMING_UP,
  NO_IMAGES,
  CAMERA_LOST,
  CONTROLLER_LOST,
  LEG_TRACKER_LOST,
  STALE,
  OTHER_CLOCK,
  VIEW_SKEW,
  CAMERAS_COVERED,
  CAMERAS_SATURATED,
  NOT_WORN,
  IMPLAUSIBLE_HEAD,
  IMPLAUSIBLE_CONTROLLER,
  IMPLAUSIBLE_LEG,
  MOUNT_CHANGED,
  IMPLAUSIBLE_POSE,
};
constexpr size_t kNumReasons = 19;
constexpr std::array<const char*, kNumReasons> kReasonNames{"HEAD_LOST",
                                                            "RELOCALISED",
                                                            "OVERLOADED",
                                                            "WARMING_UP",
                                                            "NO_IMAGES",
                                                            "CAMERA_LOST",
                                                            "CONTROLLER_LOST",
                                                            "LEG_TRACKER_LOST",
                                                            "STALE",
                                                            "OTHER_CLOCK",
                                                            "VIEW_SKEW",
                                                            "CAMERAS_COVERED",
                                                            "CAMERAS_SATURATED",
                                                            "NOT_WORN",
                                                            "IMPLAUSIBLE_HEAD",
                                                            "IMPLAUSIBLE_CONTROLLER",
                                                            "IMPLAUSIBLE_LEG",
                                                            "MOUNT_CHANGED",
                                                            "IMPLAUSIBLE_POSE"};

constexpr bool makes_invalid(Reason reason) {
  return reason == Reason::HEAD_LOST || reason == Reason::NOT_WORN ||
         reason == Reason::IMPLAUSIBLE_HEAD;
}

// Each reason once, in the order in which they were added. Fixed memory.
class Reasons {
 public:
  void add(Reason reason) {
    if (!contains(reason)) reasons_[count_++] = reason;
  }
  void add(const Reasons& others) {
    for (const Reason reason : others) add(reason);
  }
  bool contains(Reason reason) const { return std::find(begin(), end(), reason) != end(); }
  // Those that make a pose INVALID before the others.
  void gravest_first() {
    Reasons sorted;
    for (const bool grave : {true, false})
      for (const Reason reason : *this)
        if (makes_invalid(reason) == grave) sorted.add(reason);
    *this = sorted;
  }
  PoseStatus status() const {
    if (std::any_of(begin(), end(), makes_invalid)) return PoseStatus::INVALID;
    return count_ > 0 ? PoseStatus::LIMITED : PoseStatus::VALID;
  }

  const Reason* begin() const { return reasons_.data(); }
  const Reason* end() const { return reasons_.data() + count_; }
  size_t size() const { return count_; }

 private:
  std::array<Reason, kNumReasons> reasons_{};
  size_t count_ = 0;
};

// The body as rotations and constant bones.
struct Skeleton {
  SolvedSkeleton solved;
  Joints offsets{};  // metres, from each joint's parent in the T-pose
  int changed_count = 0;
};

// The default is safely INVALID.
struct Pose {
  int64_t timestamp_ns = 0;
  PoseStatus status = PoseStatus::INVALID;
  Reasons reasons;
  Joints joints_world{};     // metres
  Joints joints_cam_left{};  // metres
  std::array<float, kNumJoints> joint_confidence{};
  RigidTransform T_world_cam_left{Mat3{}, Vec3{}};  // zeros before a head was known
  DeviceOrientations device_orientations;           // world
  int64_t latency_ns = 0;
  std::optional<Skeleton> skeleton;
  uint64_t frame_changes = 0;  // how often the frame that poses come out in had become another one

  // False before the first estimate.
  bool has_body() const {
    return std::ranges::any_of(joints_world, [](const Vec3& joint) { return joint != Vec3{}; });
  }
  void set_devices(const DeviceStates& states) {
    for (int device = 0; device < kNumDevices; ++device)
      if (states.has(device)) device_orientations[device] = states.orientation(device);
  }
  // Puts other joints in, and the same in the left camera's frame; drops the skeleton.
  void set_joints(const Joints& joints) {
    joints_world = joints;
    const Mat3 R_cam_world = transpose(T_world_cam_left.rotation);
    for (size_t j = 0; j < joints.size(); ++j)
      joints_cam_left[j] = R_cam_world * (joints[j] - T_world_cam_left.translation);
    skeleton.reset();
  }
};

}  // namespace same
