#include "same/skeleton_directions.hpp"

#include <algorithm>

namespace same {
namespace {

constexpr Vec3 kX{1, 0, 0}, kY{0, 1, 0};
constexpr double kStraight = 0.10, kBent = 0.35;
constexpr double kBentBack = 0.35, kBentBackSurely = 0.70;
constexpr double kFootTells = 0.7, kFootTellsBesideImu = 0.3;
constexpr double kChestTells = 0.3, kHandTells = 0.7;

struct Limb {
  int upper, lower, end;  // the joints that turn its two bones, and the hand or foot
};
constexpr std::array<Limb, 4> kLimbs{{{kLeftHip, kLeftKnee, kLeftAnkle},
                                      {kRightHip, kRightKnee, kRightAnkle},
                                      {kLeftShoulder, kLeftElbow, kLeftWrist},
                                      {kRightShoulder, kRightElbow, kRightWrist}}};

// The joint that each joint's bone leads to; itself at the ends.
constexpr std::array<int, kNumJoints> kChild = [] {
  std::array<int, kNumJoints> child{};
  for (int joint = 0; joint < kNumJoints; ++joint) child[joint] = joint;
  for (int joint = 1; joint < kNumJoints; ++joint) child[kJointParents[joint]] = joint;
  child[kSpine3] = kNeck;
  return child;
}();

// 0 up to `low`, 1 from `high` on, smooth between.
double ramp(double value, double low, double high) {
  const double x = std::clamp((value - low) / (high - low), 0.0, 1.0);
  return x * x * (3.0 - 2.0 * x);
}

struct Hinge {
  Vec3 axis;     // unit, by the plane of three joints
  double known;  // 0..1: not at all while the limb is straight
};

Hinge hinge_of(int limb, const Joints& bones, const Vec3& expected) {
  const Vec3 &upper = bones[kLimbs[limb].upper], &lower = bones[kLimbs[limb].lower];
  const double sign = limb == 3 ? 1.0 : -1.0;
  const Vec3 axis = sign * unit(cross(upper, lower));
  const bool backwards = dot(axis, expected) < 0.0;
  const double bend = norm(lower - upper);
  return {axis, backwards ? ramp(bend, kBentBack, kBentBackSurely) : ramp(bend, kStraight, kBent)};
}

// Unit, up in the chest: the neck's bone leans forward of it in the T-pose.
Vec3 chest_up(const Vec3& chest, const Vec3& neck) {
  const Vec3 upright = unit(neck - dot(neck, chest) * chest);
  const Vec3& rest = rest_directions().bones[kSpine3];
  return rest[1] * upright - rest[2] * cross(chest, upright);
}

// Where the hinge of a straight arm is if it swung from the T-pose on the shortest way; shorter
// the nearer the arm points across the chest, where that way is any.
Vec3 least_twisted(const Vec3& arm, const Vec3& start, const Vec3& up) {
  const double nearness = 1.0 + dot(start, arm);
  const Vec3 swung = up - (dot(arm, up) / std::max(nearness, 1e-6)) * (start + arm);
  return std::min(nearness, 1.0) * unit(swung);
}

void set_legs(Directions& seen, const DeviceOrientations& devices, const Hinges& expected) {
  for (int leg = 0; leg < 2; ++leg) {
    const auto [hip, knee, ankle] = kLimbs[leg];
    const Hinge hinge = hinge_of(leg, seen.bones, expected[leg]);
    const Vec3 across = cross(seen.bones[knee], seen.bones[ankle]);
    const double foot = devices[kNumPoseDevices + leg] ? kFootTellsBesideImu : kFootTells;
    seen.sides[hip] = seen.sides[knee] =
        hinge.known * hinge.axis + ((1.0 - hinge.known) * foot) * across;
    seen.sides[ankle] = across;
  }
}

void set_arms(Directions& seen, const DeviceOrientations& devices, const Hinges& expected,
              const Vec3& chest, const Vec3& up) {
  for (int arm = 0; arm < 2; ++arm) {
    const auto [shoulder, elbow, wrist] = kLimbs[2 + arm];
    const Hinge hinge = hinge_of(2 + arm, seen.bones, expected[2 + arm]);
    const Vec3 start = (arm == 0 ? -1.0 : 1.0) * chest;
    const Vec3 straight = least_twisted(seen.bones[shoulder], start, up);
    const Vec3 side = hinge.known * hinge.axis + ((1.0 - hinge.known) * kChestTells) * straight;
    seen.sides[shoulder] = seen.sides[elbow] = side;
    // Half of what the hand is turned about the forearm is in the forearm.
    if (const auto& grip = devices[1 + arm])
      seen.sides[elbow] = side + kHandTells * rotate(hand_from_grip(*grip, arm == 1), kY);
  }
}

Directions make_rest() {
  Directions rest;
  for (int joint = 0; joint < kNumJoints; ++joint) {
    rest.bones[joint] = unit(kRestOffsets[kChild[joint]]);
    rest.sides[joint] = kX;
  }
  rest.bones[kPelvis] = kX;  // across the hips
  const Vec3& hip = kRestOffsets[kLeftHip];
  rest.sides[kPelvis] = unit(kRestOffsets[kSpine1] - Vec3{0.0, hip[1], hip[2]});
  for (const int joint : {kLeftCollar, kRightCollar, kLeftShoulder, kRightShoulder, kLeftElbow,
                          kRightElbow, kLeftWrist, kRightWrist})
    rest.sides[joint] = kY;
  return rest;
}

}  // namespace

const Directions& rest_directions() {
  static const Directions rest = make_rest();
  return rest;
}

Quaternion hand_from_grip(const Quaternion& grip, bool right) {
  const double half = std::sqrt(0.5);
  return grip * Quaternion{0.0, 0.0, right ? -half : half, half};
}

Directions observed_directions(const Joints& joints, const DeviceOrientations& devices,
                               const Hinges& expected) {
  Directions seen;
  for (int joint = 0; joint < kNumJoints; ++joint)
    seen.bones[joint] = unit(joints[kChild[joint]] - joints[joint]);
  const Vec3 hips = unit(joints[kRightHip] - joints[kLeftHip]);
  seen.bones[kPelvis] = hips;
  seen.sides[kPelvis] = unit(joints[kSpine1] - 0.5 * (joints[kLeftHip] + joints[kRightHip]));
  const Vec3 chest = unit(joints[kRightCollar] - joints[kLeftCollar]);
  double share = 0.0;
  for (const int joint : {kSpine1, kSpine2, kSpine3})
    seen.sides[joint] = unit(hips + (share += 1.0 / 3.0) * (chest - hips));
  const auto& head = devices[kHead];
  seen.sides[kNeck] = head ? unit(chest + rotate(*head, kX)) : chest;
  const Vec3 up = chest_up(chest, seen.bones[kSpine3]);
  seen.sides[kLeftCollar] = seen.sides[kRightCollar] = up;
  set_legs(seen, devices, expected);
  set_arms(seen, devices, expected, chest, up);
  return seen;
}

}  // namespace same
