// The worn devices, in token order: head, left and right controller (6DOF), left and right leg.
#pragma once

namespace same {

constexpr int kNumPoseDevices = 3;
constexpr int kNumLegDevices = 2;
constexpr int kNumDevices = kNumPoseDevices + kNumLegDevices;
constexpr int kHead = 0;

}  // namespace same
