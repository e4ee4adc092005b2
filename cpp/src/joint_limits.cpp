#include "same/joint_limits.hpp"

#include "same/pose_math.hpp"

namespace same {
namespace {

constexpr double kRadian = 3.14159265358979323846 / 180.0;

// Degrees from the T-pose; 0: no limit. In 115 captured clips, at most: spine 101, 26 and 36, neck
// 50, collars 57. Limbs have none: their way to a twist that is seen again may lead round.
constexpr std::array<double, kNumJoints> kLargestDegrees = [] {
  std::array<double, kNumJoints> largest{};
  for (const int joint : {kLeftCollar, kRightCollar}) largest[joint] = 60;
  largest[kSpine1] = 105;
  largest[kSpine2] = 45;
  largest[kSpine3] = 45;
  largest[kNeck] = 60;
  return largest;
}();

}  // namespace

JointRotations within_limits(JointRotations rotations) {
  for (int joint = 1; joint < kNumJoints; ++joint) {
    const double largest = kLargestDegrees[joint] * kRadian;
    const Quaternion& parent = rotations[parent_of(joint)];
    const Quaternion local = conjugate(parent) * rotations[joint];
    if (largest > 0.0) rotations[joint] = parent * turned_towards({}, local, largest);
  }
  return rotations;
}

}  // namespace same
