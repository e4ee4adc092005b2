// Which way each joint's bone and side point, from the 22 positions and the worn devices.
#pragma once

#include <optional>

#include "same/body.hpp"
#include "same/devices.hpp"

namespace same {

// Orientation of each device in the world; none where it is missing.
using DeviceOrientations = std::array<std::optional<Quaternion>, kNumDevices>;

// What the rotations must agree with, world frame.
struct Directions {
  Joints bones{};  // unit; zero at joints without a child
  Joints sides{};  // how well each is known is its length, 0..1
};

// The same in the T-pose: the direction that each joint's rotation must point exactly, and the one
// that fixes the twist about it. Unit.
const Directions& rest_directions();

// Axes about which the left and right knee and the left and right elbow bend.
using Hinges = std::array<Vec3, 4>;
constexpr std::array<int, 4> kHingeJoints{kLeftKnee, kRightKnee, kLeftElbow, kRightElbow};

// OpenXR's grip pose has -y along the hand and -z at the thumb; palms down, arms out.
Quaternion hand_from_grip(const Quaternion& grip, bool right);

// `expected`: where each hinge is expected, by which a limb that noise bends a little backwards is
// told from one that turned; zeros where nothing is known.
Directions observed_directions(const Joints& joints, const DeviceOrientations& devices,
                               const Hinges& expected);

}  // namespace same
