// The worn devices, in token order: head, left and right controller (6DOF), left and right leg.
#pragma once

#include <array>

namespace same {

constexpr int kNumPoseDevices = 3;
constexpr int kNumLegDevices = 2;
constexpr int kNumDevices = kNumPoseDevices + kNumLegDevices;
constexpr int kHead = 0;
constexpr std::array<const char*, kNumDevices> kDeviceNames{"head", "ctrl_left", "ctrl_right",
                                                            "leg_left", "leg_right"};

}  // namespace same
