// The 22 SMPL body joints, their parents, and the T-pose that rotations are measured from: see
// docs/skeleton.md.
#pragma once

#include <array>

#include "same/pose_math.hpp"

namespace same {

constexpr int kNumJoints = 22;

enum Joint : int {
  kPelvis,
  kLeftHip,
  kRightHip,
  kSpine1,
  kLeftKnee,
  kRightKnee,
  kSpine2,
  kLeftAnkle,
  kRightAnkle,
  kSpine3,
  kLeftFoot,
  kRightFoot,
  kNeck,
  kLeftCollar,
  kRightCollar,
  kHeadJoint,
  kLeftShoulder,
  kRightShoulder,
  kLeftElbow,
  kRightElbow,
  kLeftWrist,
  kRightWrist,
};

constexpr std::array<const char*, kNumJoints> kJointNames{
    "pelvis",     "left_hip",    "right_hip",    "spine1",     "left_knee",     "right_knee",
    "spine2",     "left_ankle",  "right_ankle",  "spine3",     "left_foot",     "right_foot",
    "neck",       "left_collar", "right_collar", "head",       "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist",   "right_wrist"};

// -1 for the root. Parents come before their children.
constexpr std::array<int, kNumJoints> kJointParents{-1, 0, 0, 0, 1,  2,  3,  4,  5,  6,  7,
                                                    8,  9, 9, 9, 12, 13, 14, 16, 17, 18, 19};

// Each right joint follows its left one.
constexpr std::array<int, 8> kLeftJoints{kLeftHip,    kLeftKnee,     kLeftAnkle, kLeftFoot,
                                         kLeftCollar, kLeftShoulder, kLeftElbow, kLeftWrist};

// Offset of each joint from its parent, metres: the shipped body's mean, limbs straightened. In the
// T-pose every joint has the world's axes, +x to the body's right, +y up, +z backward: the body
// faces -z, arms out to the sides with the palms down, legs straight down, feet forward.
constexpr std::array<Vec3, kNumJoints> kRestOffsets{{
    {0.0, 0.0, 0.0},      {-0.113, -0.015, 0.009}, {0.113, -0.015, 0.009}, {0.0, 0.153, 0.025},
    {0.0, -0.405, 0.0},   {0.0, -0.405, 0.0},      {0.0, 0.083, 0.002},    {0.0, -0.440, 0.0},
    {0.0, -0.440, 0.0},   {0.0, 0.133, 0.010},     {0.0, -0.050, -0.151},  {0.0, -0.050, -0.151},
    {0.0, 0.187, -0.036}, {-0.024, 0.110, -0.052}, {0.024, 0.110, -0.052}, {0.0, 0.100, -0.034},
    {-0.155, 0.0, 0.0},   {0.155, 0.0, 0.0},       {-0.268, 0.0, 0.0},     {0.268, 0.0, 0.0},
    {-0.239, 0.0, 0.0},   {0.239, 0.0, 0.0},
}};

using Joints = std::array<Vec3, kNumJoints>;                // metres
using JointRotations = std::array<Quaternion, kNumJoints>;  // from the T-pose

constexpr int parent_of(int joint) {
  return kJointParents[joint] < 0 ? joint : kJointParents[joint];
}

}  // namespace same
