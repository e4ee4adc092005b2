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

// A head or hand cannot move like this: its tracker has relocalised. Loose enough for a punch.
constexpr double kMaxStepM = 0.3, kMaxSpeedMps = 12.0;
constexpr double kMaxTurnRad = 0.6, kMaxTurnRadps = 30.0;

inline bool plausible_step(const PoseSample& a, const PoseSample& b, int64_t gap_ns) {
  const double seconds = 1e-9 * static_cast<double>(gap_ns);
  return norm(b.position - a.position) <= kMaxStepM + kMaxSpeedMps * seconds &&
         norm(rotation_log(conjugate(a.orientation) * b.orientation)) <=
             kMaxTurnRad + kMaxTurnRadps * seconds;
}

}  // namespace same
