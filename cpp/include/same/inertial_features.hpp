// One feature token per device, laid out as same_runtime.conventions.FEATURE_DIM says.
#pragma once

#include "same/synchroniser.hpp"

namespace same {

constexpr int kFeatureDim = 16;
constexpr int64_t kMaxVelocityGapNs = 500'000'000;

// `previous` may be null (no velocities). Writes kNumDevices * kFeatureDim floats.
void inertial_features(const DeviceStates& current, const DeviceStates* previous,
                       const RigidTransform& T_world_cam_left, double ground_y, float* features);

}  // namespace same
