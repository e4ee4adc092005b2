#include "same/bone_lengths.hpp"

#include <algorithm>

namespace same {

BoneLengths bone_lengths(const Joints& joints) {
  BoneLengths lengths;
  for (int joint = 0; joint < kNumJoints; ++joint)
    lengths[joint] = norm(joints[joint] - joints[parent_of(joint)]);
  return lengths;
}

Joints with_bone_lengths(const Joints& joints, const BoneLengths& lengths) {
  Joints held{};
  for (int joint = 1; joint < kNumJoints; ++joint) {
    const int parent = parent_of(joint);
    const Vec3 bone = joints[joint] - joints[parent];
    held[joint] = held[parent] + (lengths[joint] / std::max(norm(bone), 1e-9)) * bone;
  }
  const Vec3 move = joints[kHeadJoint] - held[kHeadJoint];
  for (Vec3& joint : held) joint = joint + move;
  return held;
}

}  // namespace same
