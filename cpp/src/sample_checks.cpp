#include "sample_checks.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "same/stamp_errors.hpp"
#include "same/steady_clock.hpp"

namespace same {

int checked_index(const char* name, int index, int begin, int end) {
  if (index < begin || index >= end)
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(begin) + ".." +
                                std::to_string(end - 1) + ", got " + std::to_string(index));
  return index;
}

Vec3 checked_vector(const char* name, const Vec3& vector, double limit) {
  for (const double x : vector)
    if (!(std::abs(x) <= limit))
      throw std::invalid_argument(std::string(name) + ": expected finite values within +-" +
                                  std::to_string(limit) + ", got " + std::to_string(x));
  return vector;
}

Quaternion checked_unit(const char* name, const Quaternion& q) {
  const double length = std::sqrt(dot(q, q));
  if (!(std::abs(length - 1.0) <= kMaxNormError))
    throw std::invalid_argument(std::string(name) +
                                ": expected a unit quaternion (xyzw), got norm " +
                                std::to_string(length));
  return normalised(q);
}

PoseSample checked(const PoseSample& sample) {
  return {checked_vector("position", sample.position, kMaxPositionM),
          checked_unit("orientation_xyzw", sample.orientation)};
}

LegSample checked(const LegSample& sample) {
  return {checked_vector("acceleration", sample.acceleration, kMaxAcceleration),
          checked_unit("orientation_xyzw", sample.orientation)};
}

Readings checked(Readings readings) {
  check_timestamp("imu.timestamp_ns", readings.timestamp_ns);
  for (auto& pose : readings.poses)
    if (pose) pose = checked(*pose);
  for (auto& leg : readings.legs)
    if (leg) leg = checked(*leg);
  return readings;
}

int64_t checked_arrival(std::optional<int64_t> arrival_ns) {
  if (!arrival_ns) return steady_ns();
  check_timestamp("arrival_ns", *arrival_ns);
  return *arrival_ns;
}

}  // namespace same
