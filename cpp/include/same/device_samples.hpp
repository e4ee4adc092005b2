// What the devices report, and how two reports give one between or beyond them.
#pragma once

#include <cstdint>

#include "same/pose_math.hpp"

namespace same {

// What a sample may hold; anything beyond is another unit, or no measurement at all.
constexpr double kMaxPositionM = 1e5, kMaxAcceleration = 1e4;
constexpr double kMaxNormError = 0.01;  // of a unit quaternion

struct PoseSample {  // 6DOF, device to world
  Vec3 position{};   // m
  Quaternion orientation;
};

struct LegSample {      // 3DOF leg IMU, sensor to world
  Vec3 acceleration{};  // m/s^2, world frame, gravity removed
  Quaternion orientation;
};

inline PoseSample interpolate(const PoseSample& a, const PoseSample& b, double fraction) {
  return {a.position + fraction * (b.position - a.position),
          slerp(a.orientation, b.orientation, fraction)};
}

inline LegSample interpolate(const LegSample& a, const LegSample& b, double fraction) {
  return {a.acceleration + fraction * (b.acceleration - a.acceleration),
          slerp(a.orientation, b.orientation, fraction)};
}

// `fraction` > 1 counts from `a`: 2 is as far beyond `b` as `b` is from `a`.
inline PoseSample extrapolate(const PoseSample& a, const PoseSample& b, double fraction) {
  return interpolate(a, b, fraction);
}

// An acceleration's trend says nothing about the next one: it is held.
inline LegSample extrapolate(const LegSample& a, const LegSample& b, double fraction) {
  return {b.acceleration, slerp(a.orientation, b.orientation, fraction)};
}

// What a head or hand cannot exceed within a time: its tracker has relocalised.
struct FurthestStep {
  double step_m, speed_mps, turn_rad, turn_radps;
};
// Loose enough for a punch.
constexpr FurthestStep kFurthestOfHand{0.3, 12.0, 0.6, 30.0};
// A head that runs or is shaken is below it, one whose headset is recentred mostly beyond.
constexpr FurthestStep kFurthestOfHead{0.03, 6.0, 0.04, 14.0};

// What of a step is beyond that.
struct Jump {
  bool moved = false, turned = false;
  explicit operator bool() const { return moved || turned; }
};

inline Jump jump_between(const FurthestStep& furthest, const PoseSample& a, const PoseSample& b,
                         int64_t gap_ns) {
  const double seconds = 1e-9 * static_cast<double>(gap_ns);
  return {norm(b.position - a.position) > furthest.step_m + furthest.speed_mps * seconds,
          norm(rotation_log(conjugate(a.orientation) * b.orientation)) >
              furthest.turn_rad + furthest.turn_radps * seconds};
}

}  // namespace same
