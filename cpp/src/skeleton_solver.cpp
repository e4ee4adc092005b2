#include "same/skeleton_solver.hpp"

#include <algorithm>

namespace same {
namespace {

constexpr size_t kSamples = 120;
constexpr double kLongestGapS = 0.5;
// Within about this time a twist of which next to nothing is known goes to where it may be.
constexpr double kSlowestS = 0.5;
constexpr double kFastestTwist = 25.0, kFastestLeaf = 40.0;  // rad/s
constexpr double kVelocityWindowS = 0.03;
constexpr double kPi = 3.14159265358979323846;

// Joints that share their parent with others. One rotation cannot point three bones, so their
// directions in the pelvis and in the chest are the user's own, like lengths.
constexpr std::array<int, 6> kMeasuredDirections{kLeftHip, kRightHip,   kSpine1,
                                                 kNeck,    kLeftCollar, kRightCollar};
// Joints without a bone to a child: theirs is a device's rotation or their parent's.
constexpr std::array<int, 5> kLeaves{kHeadJoint, kLeftWrist, kRightWrist, kLeftFoot, kRightFoot};

bool is_leaf(int joint) { return std::ranges::find(kLeaves, joint) != kLeaves.end(); }

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
    const Vec3& bone = seen.bones[joint];
    Quaternion& q = rotations[joint];
    q = shortest_arc(rotate(q, rest.bones[joint]), bone) * q;
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
  for (const int joint : kLeaves)
    rotations[joint] =
        turned_towards(before[joint], leaf(joint, rotations, body.devices), kFastestLeaf * gap_s);
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

void set_velocities(SolvedSkeleton& now, const SolvedSkeleton& before, double gap_s,
                    bool moved_before) {
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

void UserOffsets::give_lengths(const std::array<double, kNumJoints>& lengths) {
  lengths_ = lengths;
  given_ = true;
  if (changed_count_ > 0) set(Joints(offsets_));
}

void UserOffsets::update(const Joints& bones, bool good) {
  if (changed_count_ == 0) set(bones);
  if (!good || samples_.size() == kSamples) return;
  samples_.push_back(bones);
  if (samples_.size() < kSamples) return;
  Joints medians{};
  std::array<double, kSamples> values;
  for (int joint = 0; joint < kNumJoints; ++joint)
    for (int axis = 0; axis < 3; ++axis) {
      for (size_t i = 0; i < kSamples; ++i) values[i] = samples_[i][joint][axis];
      std::ranges::sort(values);
      medians[joint][axis] = 0.5 * (values[kSamples / 2 - 1] + values[kSamples / 2]);
    }
  set(medians);
}

void UserOffsets::set(const Joints& bones) {
  for (int joint = 0; joint < kNumJoints; ++joint) {
    const bool measured =
        std::ranges::find(kMeasuredDirections, joint) != kMeasuredDirections.end();
    const double length = given_ ? lengths_[joint] : norm(bones[joint]);
    offsets_[joint] = length * unit(measured ? bones[joint] : kRestOffsets[joint]);
  }
  ++changed_count_;
}

SolvedSkeleton SkeletonSolver::solve(const BodyObservation& body, bool keep) {
  double gap_s =
      newest_ ? 1e-9 * static_cast<double>(body.timestamp_ns - newest_->timestamp_ns) : 0.0;
  const bool beside = !keep && gap_s < 0.0 && gap_s >= -kLongestGapS;
  if (beside) gap_s = 0.0;
  const bool goes_on = newest_ && !body.restart && gap_s >= 0.0 && gap_s <= kLongestGapS;
  SolvedSkeleton skeleton;
  skeleton.rotations =
      goes_on ? next_rotations(body, newest_->skeleton.rotations, newest_->devices, gap_s)
              : first_rotations(body);
  const int changed_before = user_.changed_count();
  Joints bones{};
  for (int joint = 0; joint < kNumJoints; ++joint) {
    const int parent = parent_of(joint);
    const Quaternion to_parent = conjugate(skeleton.rotations[parent]);
    skeleton.local[joint] =
        joint == kPelvis ? skeleton.rotations[joint] : to_parent * skeleton.rotations[joint];
    bones[joint] = rotate(to_parent, body.joints[joint] - body.joints[parent]);
  }
  if (keep || changed_before == 0) user_.update(bones, keep && body.good);
  skeleton.joints = placed(skeleton.rotations, user_.offsets(), body.joints[kHeadJoint]);
  int moving_poses = 0;
  if (goes_on) {
    skeleton.velocities = newest_->skeleton.velocities;
    skeleton.turn_rates = newest_->skeleton.turn_rates;
    moving_poses = newest_->moving_poses;
    // A body that was measured anew has moved nowhere.
    if (gap_s > 0.0 && user_.changed_count() == changed_before) {
      set_velocities(skeleton, newest_->skeleton, gap_s, moving_poses > 0);
      ++moving_poses;
    }
  }
  if (keep) newest_ = Carried{body.timestamp_ns, body.devices, skeleton, moving_poses};
  return skeleton;
}

}  // namespace same
