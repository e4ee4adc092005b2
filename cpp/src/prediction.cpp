#include "same/prediction.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "same/floor_anchor.hpp"

namespace same {
namespace {

constexpr double kMaxVelocityAgeS = 0.25;

// Whether a hand that both know moved between them as none can.
bool hand_jumped(int device, const DeviceStates& before, const DeviceStates& after) {
  return bool(jump_between(kFurthestOfHand, before.poses[device], after.poses[device],
                           std::abs(after.timestamp_ns - before.timestamp_ns)));
}

// Where a point that is fixed to a device has gone.
Vec3 carried(const Vec3& point, const PoseSample& before, const PoseSample& after) {
  const Vec3 on_device = transpose(to_matrix(before.orientation)) * (point - before.position);
  return to_matrix(after.orientation) * on_device + after.position;
}

Joints relocated(const Joints& joints, const PoseSample& before, const PoseSample& after) {
  RigidTransform T = floor_anchor(after, 0.0) * inverse(floor_anchor(before, 0.0));
  T.translation[1] += after.position[1] - before.position[1];
  Joints moved;
  std::ranges::transform(joints, moved.begin(), [&](const Vec3& joint) { return T * joint; });
  return moved;
}

// How far the whole body goes along with the head, 0..1: feet stay planted as long as the estimate
// is fresh; later nobody knows where they are, and a head that walks on or back would pull the body
// apart.
double whole_body_share(int64_t horizon_ns, const Reach& reach) {
  if (reach.stale_after_ns == 0) return horizon_ns != 0 ? 1.0 : 0.0;
  const double ages =
      static_cast<double>(std::abs(horizon_ns)) / static_cast<double>(reach.stale_after_ns);
  return std::clamp(ages - 1.0, 0.0, 1.0);
}

}  // namespace

Joints velocities_of(const RecentJoints& recent) {
  Joints velocities{};
  int first = 0;
  while (first < recent.count && recent.seconds[first] <= -kMaxVelocityAgeS) ++first;
  const int count = recent.count - first;
  if (count < 2) return velocities;
  double mean_s = 0.0;
  for (int i = first; i < recent.count; ++i) mean_s += recent.seconds[i] / count;
  double squares = 0.0;
  for (int i = first; i < recent.count; ++i) {
    const double time_s = recent.seconds[i] - mean_s;
    squares += time_s * time_s;
    for (int joint = 0; joint < kNumJoints; ++joint)
      velocities[joint] = velocities[joint] + time_s * recent.world[i][joint];
  }
  for (Vec3& velocity : velocities) {
    velocity = (1.0 / squares) * velocity;
    velocity = std::min(1.0, kFurthestOfHand.speed_mps / std::max(norm(velocity), 1e-9)) * velocity;
  }
  return velocities;
}

void follow_head(Joints& joints, const Vec3& head) {
  const Vec3 move = head - joints[kHeadJoint];
  for (int joint = 0; joint < kNumJoints; ++joint)
    joints[joint] = joints[joint] + kFollowsHead[joint] * move;
}

void follow_hand(Joints& joints, int hand, const Vec3& wrist) {
  const FollowsHand& arm = kFollowsHand[hand];
  const Vec3 move = wrist - joints[arm.wrist];
  joints[arm.wrist] = joints[arm.wrist] + kWristFollowsHand * move;
  joints[arm.elbow] = joints[arm.elbow] + kElbowFollowsHand * move;
}

Joints continued(const Estimate& estimate, const DeviceStates& states, double horizon_s,
                 double max_extrapolation_s) {
  const DeviceStates& before = estimate.states;
  const Joints& start = estimate.pose.joints_world;
  if (states.has(kHead) && head_jump(before, estimate.head_motion, states))
    return relocated(start, before.poses[kHead], states.poses[kHead]);
  const double step_s = std::clamp(horizon_s, -max_extrapolation_s, max_extrapolation_s);
  Joints joints = start;
  for (int joint = 0; joint < kNumJoints; ++joint)
    joints[joint] = joints[joint] + step_s * estimate.velocities[joint];
  if (!states.has(kHead)) return joints;
  follow_head(joints, carried(start[kHeadJoint], before.poses[kHead], states.poses[kHead]));
  for (int hand = 0; hand < 2; ++hand) {
    const int device = 1 + hand;
    if (before.has(device) && states.has(device) && !hand_jumped(device, before, states))
      follow_hand(
          joints, hand,
          carried(start[kFollowsHand[hand].wrist], before.poses[device], states.poses[device]));
  }
  return joints;
}

Judgement judged(const Pose& pose, int64_t timestamp_ns, std::optional<int64_t> head_ns,
                 const Reach& reach) {
  Judgement found{pose.status, {}};
  const bool headless = !head_ns || timestamp_ns - *head_ns > reach.stale_after_ns;
  if (headless && !pose.reasons.contains(Reason::HEAD_LOST)) found.reasons.add(Reason::HEAD_LOST);
  found.reasons.add(pose.reasons);
  if (std::abs(timestamp_ns - pose.timestamp_ns) > reach.stale_after_ns) {
    found.reasons.add(Reason::STALE);
    if (found.status == PoseStatus::VALID) found.status = PoseStatus::LIMITED;
  }
  if (headless) found.status = PoseStatus::INVALID;
  return found;
}

Pose pose_at(int64_t timestamp_ns, const Estimate& estimate, const Synchroniser& synchroniser,
             const RigidTransform& T_head_cam_left, const Reach& reach) {
  std::optional<int64_t> head_ns = synchroniser.newest_ns(kHead);
  // Where the head can no longer be told the body waits with it: moved on alone it would be pulled
  // apart.
  const int64_t last_ns = head_ns ? *head_ns + reach.max_extrapolation_ns : timestamp_ns;
  DeviceStates states = synchroniser.look_up(std::min(timestamp_ns, last_ns));
  estimate.leg_headings.apply(states);
  const int64_t horizon_ns = states.timestamp_ns - estimate.pose.timestamp_ns;
  Joints joints = continued(estimate, states, 1e-9 * static_cast<double>(horizon_ns),
                            1e-9 * static_cast<double>(reach.max_prediction_ns));
  Pose pose;
  pose.T_world_cam_left = estimate.pose.T_world_cam_left;
  if (!states.has(kHead)) {
    head_ns.reset();
  } else {
    const PoseSample& head = states.poses[kHead];
    pose.T_world_cam_left =
        RigidTransform{to_matrix(head.orientation), head.position} * T_head_cam_left;
    if (const double whole = whole_body_share(horizon_ns, reach); whole > 0.0) {
      const Joints along =
          relocated(estimate.pose.joints_world, estimate.states.poses[kHead], head);
      for (int joint = 0; joint < kNumJoints; ++joint)
        joints[joint] = joints[joint] + whole * (along[joint] - joints[joint]);
    }
  }
  Judgement judgement = judged(estimate.pose, timestamp_ns, head_ns, reach);
  if (states.has(kHead) && head_jump(estimate.states, estimate.head_motion, states)) {
    judgement.reasons.add(Reason::RELOCALISED);
    if (judgement.status == PoseStatus::VALID) judgement.status = PoseStatus::LIMITED;
  }
  pose.timestamp_ns = timestamp_ns;
  pose.status = judgement.status;
  pose.reasons = judgement.reasons;
  pose.set_joints(joints);
  pose.joint_confidence = estimate.pose.joint_confidence;
  pose.set_devices(states);
  return pose;
}

}  // namespace same
