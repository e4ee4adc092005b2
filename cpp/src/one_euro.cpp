#include "same/one_euro.hpp"

#include <numbers>

namespace same {
namespace {

constexpr double kVelocityCutoffHz = 2.0;

// How far a first-order low-pass goes towards a new sample.
double share(double gap_s, double cutoff_hz) {
  return 1.0 / (1.0 + 1.0 / (2.0 * std::numbers::pi * cutoff_hz * gap_s));
}

}  // namespace

OneEuroState OneEuroState::after(const Joints& points, double gap_s,
                                 const OneEuro& settings) const {
  OneEuroState next{{}, points, {}};
  const double velocity_share = share(gap_s, kVelocityCutoffHz);
  for (int joint = 0; joint < kNumJoints; ++joint) {
    const Vec3 velocity = (1.0 / gap_s) * (points[joint] - raw[joint]);
    next.velocities[joint] = velocities[joint] + velocity_share * (velocity - velocities[joint]);
    const double cutoff_hz =
        settings.min_cutoff_hz + settings.cutoff_per_speed * norm(next.velocities[joint]);
    next.values[joint] = values[joint] + share(gap_s, cutoff_hz) * (points[joint] - values[joint]);
  }
  return next;
}

}  // namespace same
