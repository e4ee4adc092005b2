// The pose for the time a frame is seen: carried on from the newest estimate, tied to the head.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "same/head_motion.hpp"
#include "same/leg_headings.hpp"
#include "same/pose.hpp"
#include "same/synchroniser.hpp"

namespace same {

constexpr int kVelocityFrames = 4;

// The joints that the network gives for the last rows of its window, oldest first, all from one
// estimate. They share its errors, so that their slope has less noise than that of the poses given
// out one by one.
struct RecentJoints {
  std::array<double, kVelocityFrames> seconds{};  // from the estimate's time, at most 0
  std::array<Joints, kVelocityFrames> world{};    // metres
  int count = 0;
};

// A straight line through the recent joints, bounded; m/s, world.
Joints velocities_of(const RecentJoints& recent);

// One network estimate and what its continuation needs.
struct Estimate {
  Pose pose;
  DeviceStates states;  // the devices at the pose's time, the legs in the head's world
  Joints velocities{};  // m/s, world: velocities_of() the recent joints
  std::optional<HeadMotion> head_motion;
  LegHeadings leg_headings;
};

// How far poses are carried on, nanoseconds.
struct Reach {
  int64_t max_extrapolation_ns = 50'000'000;
  int64_t max_prediction_ns = 100'000'000;
  int64_t stale_after_ns = 200'000'000;
};

// Share of what the head did beyond its prediction that each joint takes on; feet stay planted.
constexpr std::array<double, kNumJoints> kFollowsHead = [] {
  std::array<double, kNumJoints> shares{};
  for (const int joint : {kHeadJoint, kNeck}) shares[joint] = 1.0;
  for (const int joint : {kLeftCollar, kRightCollar, kLeftShoulder, kRightShoulder, kLeftElbow,
                          kRightElbow, kLeftWrist, kRightWrist})
    shares[joint] = 0.9;
  shares[kSpine3] = 0.8;
  shares[kSpine2] = 0.65;
  shares[kSpine1] = 0.5;
  for (const int joint : {kPelvis, kLeftHip, kRightHip}) shares[joint] = 0.4;
  for (const int joint : {kLeftKnee, kRightKnee}) shares[joint] = 0.2;
  return shares;
}();

// The same for what a controller did: an arm's joints and their shares, left and right.
struct FollowsHand {
  int wrist, elbow;
};
constexpr double kWristFollowsHand = 1.0, kElbowFollowsHand = 0.5;
constexpr std::array<FollowsHand, 2> kFollowsHand{
    {{kLeftWrist, kLeftElbow}, {kRightWrist, kRightElbow}}};

// Moves the joints by their shares of what takes the head's joint to `head`.
void follow_head(Joints& joints, const Vec3& head);
// Likewise for the wrist of hand 0 (left) or 1.
void follow_hand(Joints& joints, int hand, const Vec3& wrist);

// The pose at a time, carried on from `estimate` and tied to the newest samples of the head and
// controllers; its status says when either is too old. Never waits.
Pose pose_at(int64_t timestamp_ns, const Estimate& estimate, const Synchroniser& synchroniser,
             const RigidTransform& T_head_cam_left, const Reach& reach);

struct Judgement {
  PoseStatus status;
  Reasons reasons;
};

// Of `pose` when it is given out for a time before or after its own. `head_ns`: when the head was
// last seen; none: not known at that time.
Judgement judged(const Pose& pose, int64_t timestamp_ns, std::optional<int64_t> head_ns,
                 const Reach& reach);

// Joints, world, `horizon_s` after `estimate`. They keep their velocity for at most
// `max_extrapolation_s`. What the head and the controllers, `states` at the later time, did
// differently is then shared out along the body: the head and wrists end where their devices are,
// the feet stay. A head that has jumped takes the whole body along (yaw and place).
Joints continued(const Estimate& estimate, const DeviceStates& states, double horizon_s,
                 double max_extrapolation_s);

}  // namespace same
