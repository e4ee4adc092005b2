// Bone lengths: measured from joints, and put upon them.
#pragma once

#include "same/body.hpp"

namespace same {

// From each joint's parent; 0 for the pelvis.
using BoneLengths = std::array<double, kNumJoints>;

BoneLengths bone_lengths(const Joints& joints);

// `joints` with every bone's direction kept and its length that of `lengths`. The head stays: its
// place is the best known.
Joints with_bone_lengths(const Joints& joints, const BoneLengths& lengths);

}  // namespace same
