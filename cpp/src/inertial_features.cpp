#include "same/inertial_features.hpp"

#include <algorithm>

namespace same {
namespace {

void write(const Vec3& v, float* out) {
  for (int i = 0; i < 3; ++i) out[i] = static_cast<float>(v[i]);
}

void write_rotation_6d(const Mat3& R, float* out) {
  for (int i = 0; i < 3; ++i) {
    out[i] = static_cast<float>(R[3 * i]);
    out[3 + i] = static_cast<float>(R[3 * i + 1]);
  }
}

}  // namespace

void inertial_features(const DeviceStates& current, const DeviceStates* previous,
                       const RigidTransform& T_world_cam_left, double ground_y, float* features) {
  std::fill_n(features, kNumDevices * kFeatureDim, 0.0f);
  const RigidTransform T_cam_world = inverse(T_world_cam_left);
  const int64_t gap_ns = previous ? current.timestamp_ns - previous->timestamp_ns : 0;
  const bool related = previous && gap_ns > 0 && gap_ns <= kMaxVelocityGapNs;
  const double rate = related ? 1e9 / static_cast<double>(gap_ns) : 0.0;

  for (int device = 0; device < kNumDevices; ++device) {
    if (!current.has(device)) continue;
    float* token = features + device * kFeatureDim;
    const Quaternion& orientation = current.orientation(device);
    const bool moving = related && previous->has(device);

    if (device == kHead) {
      write(T_cam_world.rotation * Vec3{0, 1, 0}, token);
      token[3] = static_cast<float>(current.poses[kHead].position[1] - ground_y);
    } else {
      write_rotation_6d(T_cam_world.rotation * to_matrix(orientation), token);
    }
    if (moving)
      write(rate * rotation_log(conjugate(previous->orientation(device)) * orientation), token + 6);
    if (device < kNumPoseDevices) {
      const Vec3& position = current.poses[device].position;
      if (device != kHead) write(T_cam_world * position, token + 9);
      if (moving)
        write(rate * (T_cam_world.rotation * (position - previous->poses[device].position)),
              token + 12);
    } else {
      write(T_cam_world.rotation * current.legs[device - kNumPoseDevices].acceleration, token + 9);
      token[12] = current.straps_measured ? 1.0f : 0.0f;
    }
    token[15] = 1.0f;
  }
}

}  // namespace same
