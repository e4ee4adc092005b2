#include "same/skeleton_solver.hpp"

#include <algorithm>

#include "same/joint_limits.hpp"

namespace same {
namespace {

constexpr double kLongestGapS = 0.5;
// Within about this time a twist of which next to nothing is known goes to where it may be.
constexpr double kSlowestS = 0.5;
// rad/s. In 115 captured clips trunks turn by 11 at most, thighs and upper arms by 26, wrists
// by 35.
constexpr double kFastestTrunk = 12.0, kFastestLimb = 30.0, kFastestTwist = 20.0;
constexpr double kFastestMeasured = 40.0;  // head and wrists, by their devices
constexpr double kVelocityWindowS = 0.03;

// Joints without a bone to a child: theirs is a device's rotation or their parent's.
constexpr std::array<int, 5> kLeaves{kHeadJoint, kLeftWrist, kRightWrist, kLeftFoot, kRightFoot};

constexpr std::array<int, 8> kLegJoints{kLeftHip,   kRightHip,   kLeftKnee, kRightKnee,
                                        kLeftAnkle, kRightAnkle, kLeftFoot, kRightFoot};

constexpr std::array<int, 7> kTrunk{kPelvis, kSpine1,     kSpine2,     kSpine3,
                                    kNeck,   kLeftCollar, kRightCollar};

bool is_leaf(int joint) { return std::ranges::find(kLeaves, joint) != kLeaves.end(); }

double fastest(int joint) {
  if (joint == kHeadJoint || joint == kLeftWrist || joint == kRightWrist) return kFastestMeasured;
  return std::ranges::find(kTrunk, joint) != kTrunk.end() ? kFastestTrunk : kFastestLimb;
}

// The twist about the bone, radians, that brings the side to where it is seen; less the less this
// is known and the less time there was for it. A negative gap: there is all the time.
double twist(const Vec3& bone, const Vec3& side, const Vec3& now, double gap_s) {
  const double along = dot(bone, side);
  const double known =
      std::min(std::sqrt(std::max(dot(side, side) - along * along, 0.0) + 1e-12), 1.0);
  if (known <= 1e-3) return 0.0;
  const double angle =
      std::atan2(dot(bone, cross(now, side)), dot(now, side) - dot(bone, now) * along);
  if (gap_s < 0.0) return angle;
  const double share = gap_s / (gap_s + kSlowestS * (1.0 - known) + 1e-9);
  return std::clamp(angle * share, -kFastestTwist * gap_s, kFastestTwist * gap_s);
}

// `rotations` with every bone turned on the shortest way to where it is seen, then twisted.
void follow(JointRotations& rotations, const Directions& seen, double gap_s) {
  const Directions& rest = rest_directions();
  for (int joint = 0; joint < kNumJoints; ++joint) {
    if (is_leaf(joint)) continue;
    Quaternion& q = rotations[joint];
    q = shortest_arc(rotate(q, rest.bones[joint]), seen.bones[joint]) * q;
    const Vec3 bone = rotate(q, rest.bones[joint]);
    const double angle = twist(bone, seen.sides[joint], rotate(q, rest.sides[joint]), gap_s);
    q = normalised(rotation_about(bone, angle) * q);
  }
}

Quaternion leaf(int joint, const JointRotations& rotations, const DeviceOrientations& devices) {
  if (joint == kHeadJoint && devices[kHead]) return *devices[kHead];
  if (joint == kLeftWrist && devices[1]) return hand_from_grip(*devices[1], false);
  if (joint == kRightWrist && devices[2]) return hand_from_grip(*devices[2], true);
  return rotations[parent_of(joint)];
}

JointRotations first_rotations(const BodyObservation& body) {
  JointRotations rotations{};
  follow(rotations, observed_directions(body.joints, body.devices, {}), -1.0);
  rotations = within_limits(rotations);
  for (const int joint : kLeaves) rotations[joint] = leaf(joint, rotations, body.devices);
  return rotations;
}

JointRotations next_rotations(const BodyObservation& body, const JointRotations& before,
                              const DeviceOrientations& devices_before, double gap_s) {
  JointRotations rotations = before;
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    const auto &then = devices_before[kNumPoseDevices + leg],
               &now = body.devices[kNumPoseDevices + leg];
    const int knee = leg == 0 ? kLeftKnee : kRightKnee;
    if (then && now) rotations[knee] = *now * conjugate(*then) * before[knee];
  }
  Hinges expected;
  for (size_t i = 0; i < expected.size(); ++i)
    expected[i] = rotate(rotations[kHingeJoints[i]], rest_directions().sides[kHingeJoints[i]]);
  follow(rotations, observed_directions(body.joints, body.devices, expected), gap_s);
  const auto turn_on = [&](int joint, const Quaternion& end) {
    rotations[joint] = turned_towards(before[joint], end, fastest(joint) * gap_s);
  };
  for (int joint = 0; joint < kNumJoints; ++joint)
    if (!is_leaf(joint)) turn_on(joint, rotations[joint]);
  rotations = within_limits(rotations);
  for (const int joint : kLeaves) turn_on(joint, leaf(joint, rotations, body.devices));
  // q and -q are the same rotation; what interpolates between poses wants the nearer.
  for (int joint = 0; joint < kNumJoints; ++joint)
    if (Quaternion& q = rotations[joint]; dot(q, before[joint]) < 0.0) q = {-q.x, -q.y, -q.z, -q.w};
  return rotations;
}

// Every joint by its offset from its parent; the head stays where it is observed.
Joints placed(const JointRotations& rotations, const Joints& offsets, const Vec3& head) {
  Joints joints{};
  for (int joint = 1; joint < kNumJoints; ++joint) {
    const int parent = parent_of(joint);
    joints[joint] = joints[parent] + rotate(rotations[parent], offsets[joint]);
  }
  const Vec3 move = head - joints[kHeadJoint];
  for (Vec3& joint : joints) joint = joint + move;
  return joints;
}

Joints in_parents_axes(const Joints& joints, const JointRotations& rotations) {
  Joints bones;
  for (int joint = 0; joint < kNumJoints; ++joint) {
    const int parent = parent_of(joint);
    bones[joint] = rotate(conjugate(rotations[parent]), joints[joint] - joints[parent]);
  }
  return bones;
}

JointRotations to_parents(const JointRotations& rotations) {
  JointRotations local = rotations;
  for (int joint = 1; joint < kNumJoints; ++joint)
    local[joint] = conjugate(rotations[parent_of(joint)]) * rotations[joint];
  return local;
}

// Without a gap they stay what they were.
void set_velocities(SolvedSkeleton& now, const SolvedSkeleton& before, double gap_s,
                    bool moved_before) {
  now.velocities = before.velocities;
  now.turn_rates = before.turn_rates;
  if (gap_s == 0.0) return;
  const double share = moved_before ? -std::expm1(-gap_s / kVelocityWindowS) : 1.0;
  for (int joint = 0; joint < kNumJoints; ++joint) {
    const auto mixed = [&](const Vec3& old, const Vec3& step) {
      return old + share * ((1.0 / gap_s) * step - old);
    };
    now.velocities[joint] =
        mixed(before.velocities[joint], now.joints[joint] - before.joints[joint]);
    now.turn_rates[joint] =
        mixed(before.turn_rates[joint],
              rotation_log(now.rotations[joint] * conjugate(before.rotations[joint])));
  }
}

}  // namespace

SolvedSkeleton SkeletonSolver::solve(const BodyObservation& body, bool keep) {
  double gap_s =
      newest_ ? 1e-9 * static_cast<double>(body.timestamp_ns - newest_->timestamp_ns) : 0.0;
  const double apart_s = std::abs(gap_s);
  if (!keep && gap_s < 0.0) gap_s = 0.0;  // beside the newest
  const Carried* before =
      newest_ && !body.restart && gap_s >= 0.0 && apart_s <= kLongestGapS ? &*newest_ : nullptr;
  Carried now;
  now.timestamp_ns = body.timestamp_ns;
  now.devices = body.devices;
  SolvedSkeleton& skeleton = now.skeleton;
  const auto rotations_of = [&](const BodyObservation& seen) {
    return before ? next_rotations(seen, before->skeleton.rotations, before->devices, apart_s)
                  : first_rotations(seen);
  };
  skeleton.rotations = rotations_of(body);
  const int changed_before = user_.changed_count();
  if (keep || changed_before == 0)
    user_.update(body.joints, in_parents_axes(body.joints, skeleton.rotations), keep && body.good);
  skeleton.joints = placed(skeleton.rotations, user_.offsets(), body.joints[kHeadJoint]);

  if (before) now.feet = before->feet;
  const double feet_gap_s = before ? gap_s : -1.0;
  // By the feet as they come: at the user's lengths those of a crouched body may float.
  skeleton.foot_contacts = now.feet.observe(body.joints, ground_y, feet_gap_s);
  if (plant_feet) {
    BodyObservation planted = body;
    planted.joints = now.feet.planted(skeleton.joints, skeleton.rotations, ground_y, feet_gap_s);
    const JointRotations with_legs = rotations_of(planted);
    for (const int joint : kLegJoints) skeleton.rotations[joint] = with_legs[joint];
    skeleton.joints = placed(skeleton.rotations, user_.offsets(), body.joints[kHeadJoint]);
  }
  skeleton.local = to_parents(skeleton.rotations);
  // A body that was measured anew has moved nowhere.
  if (before) {
    const bool moved = gap_s > 0.0 && user_.changed_count() == changed_before;
    now.moving_poses = before->moving_poses + moved;
    set_velocities(skeleton, before->skeleton, moved ? gap_s : 0.0, before->moving_poses > 0);
  }
  if (keep) newest_ = now;
  return skeleton;
}

}  // namespace same
