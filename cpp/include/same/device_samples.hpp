// What the devices report, and how two reports give one between or beyond them.
#pragma once

#include "same/pose_math.hpp"

namespace same {

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

}  // namespace same
