// Rotations and rigid transforms in double precision. Quaternions are xyzw and unit length.
#pragma once

#include <array>
#include <cmath>

namespace same {

using Vec3 = std::array<double, 3>;
using Mat3 = std::array<double, 9>;  // row-major

struct Quaternion {
  double x = 0, y = 0, z = 0, w = 1;

  bool operator==(const Quaternion&) const = default;
};

// Maps points of frame b into frame a when named T_a_b.
struct RigidTransform {
  Mat3 rotation{1, 0, 0, 0, 1, 0, 0, 0, 1};
  Vec3 translation{};
};

inline Vec3 operator+(const Vec3& a, const Vec3& b) {
  return {a[0] + b[0], a[1] + b[1], a[2] + b[2]};
}
inline Vec3 operator-(const Vec3& a, const Vec3& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}
inline Vec3 operator*(double s, const Vec3& a) { return {s * a[0], s * a[1], s * a[2]}; }
inline double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline double norm(const Vec3& a) { return std::sqrt(dot(a, a)); }
inline Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
// Length 1; zeros stay zeros.
inline Vec3 unit(const Vec3& a) {
  const double length = norm(a);
  return length > 1e-9 ? (1.0 / length) * a : Vec3{};
}

inline Vec3 operator*(const Mat3& m, const Vec3& v) {
  return {m[0] * v[0] + m[1] * v[1] + m[2] * v[2], m[3] * v[0] + m[4] * v[1] + m[5] * v[2],
          m[6] * v[0] + m[7] * v[1] + m[8] * v[2]};
}
inline Mat3 operator*(const Mat3& a, const Mat3& b) {
  Mat3 c;
  for (int row = 0; row < 3; ++row)
    for (int col = 0; col < 3; ++col)
      c[3 * row + col] =
          a[3 * row] * b[col] + a[3 * row + 1] * b[3 + col] + a[3 * row + 2] * b[6 + col];
  return c;
}
inline Mat3 transpose(const Mat3& m) {
  return {m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]};
}

inline Vec3 operator*(const RigidTransform& T, const Vec3& point) {
  return T.rotation * point + T.translation;
}
inline RigidTransform operator*(const RigidTransform& a, const RigidTransform& b) {
  return {a.rotation * b.rotation, a * b.translation};
}
inline RigidTransform inverse(const RigidTransform& T) {
  const Mat3 rotation = transpose(T.rotation);
  return {rotation, -1.0 * (rotation * T.translation)};
}

inline double dot(const Quaternion& a, const Quaternion& b) {
  return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
inline Quaternion normalised(const Quaternion& q) {
  const double s = 1.0 / std::sqrt(dot(q, q));
  return {s * q.x, s * q.y, s * q.z, s * q.w};
}
inline Quaternion conjugate(const Quaternion& q) { return {-q.x, -q.y, -q.z, q.w}; }
inline Quaternion operator*(const Quaternion& a, const Quaternion& b) {
  return {
      a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y, a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
      a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w, a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z};
}

inline Mat3 to_matrix(const Quaternion& q) {
  const double xx = q.x * q.x, yy = q.y * q.y, zz = q.z * q.z;
  const double xy = q.x * q.y, xz = q.x * q.z, yz = q.y * q.z;
  const double wx = q.w * q.x, wy = q.w * q.y, wz = q.w * q.z;
  return {1 - 2 * (yy + zz), 2 * (xy - wz), 2 * (xz + wy), 2 * (xy + wz),    1 - 2 * (xx + zz),
          2 * (yz - wx),     2 * (xz - wy), 2 * (yz + wx), 1 - 2 * (xx + yy)};
}

inline Vec3 rotate(const Quaternion& q, const Vec3& v) {
  const Vec3 axis{q.x, q.y, q.z};
  const Vec3 doubled = 2.0 * cross(axis, v);
  return v + q.w * doubled + cross(axis, doubled);
}

// How far q's y axis points up, -1..1.
inline double upwards(const Quaternion& q) { return 1.0 - 2.0 * (q.x * q.x + q.z * q.z); }

// About a unit axis, radians.
inline Quaternion rotation_about(const Vec3& axis, double angle) {
  const double sine = std::sin(0.5 * angle);
  return {sine * axis[0], sine * axis[1], sine * axis[2], std::cos(0.5 * angle)};
}

// The smallest rotation that turns the unit vector a into b; between opposite ones half a turn
// about an axis at right angles to a.
inline Quaternion shortest_arc(const Vec3& a, const Vec3& b) {
  const double scalar = 1.0 + dot(a, b);
  if (scalar >= 1e-8) {
    const Vec3 axis = cross(a, b);
    return normalised({axis[0], axis[1], axis[2], scalar});
  }
  int aside = 0;
  for (int i = 1; i < 3; ++i)
    if (std::abs(a[i]) < std::abs(a[aside])) aside = i;
  Vec3 other{};
  other[aside] = 1.0;
  const Vec3 axis = unit(cross(a, other));
  return {axis[0], axis[1], axis[2], 0.0};
}

// Rotation vector of q, of length in [0, pi].
inline Vec3 rotation_log(const Quaternion& q) {
  const double sign = q.w < 0 ? -1.0 : 1.0;
  const Vec3 axis{sign * q.x, sign * q.y, sign * q.z};
  const double sine = norm(axis);
  // atan2 keeps full precision at both ends; only the division needs the small-angle limit.
  const double scale = sine < 1e-12 ? 2.0 : 2.0 * std::atan2(sine, sign * q.w) / sine;
  return scale * axis;
}

inline Quaternion rotation_exp(const Vec3& rotation_vector) {
  const double angle = norm(rotation_vector);
  const double scale = angle < 1e-12 ? 0.5 : std::sin(0.5 * angle) / angle;
  return {scale * rotation_vector[0], scale * rotation_vector[1], scale * rotation_vector[2],
          std::cos(0.5 * angle)};
}

// `end`, or where it is further than `largest` radians from `start` as far as that.
inline Quaternion turned_towards(const Quaternion& start, const Quaternion& end, double largest) {
  const Vec3 step = rotation_log(end * conjugate(start));
  const double angle = norm(step);
  return angle <= largest ? end : rotation_exp((largest / angle) * step) * start;
}

// From a (fraction 0) to b (fraction 1) along the shortest arc; other fractions extrapolate at
// constant angular velocity.
inline Quaternion slerp(const Quaternion& a, const Quaternion& b, double fraction) {
  const Vec3 step = rotation_log(conjugate(a) * b);
  return normalised(a * rotation_exp(fraction * step));
}

}  // namespace same
