#include "same/floor_anchor.hpp"

#include <algorithm>
#include <cmath>

namespace same {
namespace {

constexpr double kPi = 3.14159265358979323846;

struct Heading {
  double x, z;
};

Heading heading_of(const Mat3& R) {
  const Heading forward{-R[2], -R[8]};
  const double length = std::hypot(forward.x, forward.z);  // sine of the angle to the vertical
  static const double start = std::sin(15.0 * kPi / 180.0), end = std::sin(5.0 * kPi / 180.0);
  if (length >= start) return forward;
  // Looking down, the top of the head points ahead; looking up, it points back.
  const double sign = -R[5] < 0 ? 1.0 : -1.0;
  const Heading up{sign * R[1], sign * R[7]};
  const double share = std::min((start - length) / (start - end), 1.0);
  const double forward_weight = share < 1.0 ? (1.0 - share) / length : 0.0;
  const double up_weight = share / std::max(std::hypot(up.x, up.z), 1e-12);
  const Heading blend{forward_weight * forward.x + up_weight * up.x,
                      forward_weight * forward.z + up_weight * up.z};
  return std::hypot(blend.x, blend.z) > 1e-9 ? blend : up;
}

}  // namespace

RigidTransform floor_anchor(const PoseSample& head, double ground_y) {
  const Heading heading = heading_of(to_matrix(head.orientation));
  const double length = std::hypot(heading.x, heading.z);
  const double sine = -heading.x / length, cosine = -heading.z / length;
  return {{cosine, 0, sine, 0, 1, 0, -sine, 0, cosine},
          {head.position[0], ground_y, head.position[2]}};
}

double yaw_of(const PoseSample& head) {
  const Heading heading = heading_of(to_matrix(head.orientation));
  return std::atan2(-heading.x, -heading.z);
}

}  // namespace same
