#include "same/leg_mounting.hpp"

#include <algorithm>
#include <cmath>

#include "same/floor_anchor.hpp"
#include "same/quantile.hpp"

namespace same {
namespace {

constexpr int64_t kStandNs = 1'500'000'000;
constexpr int64_t kLongestGapNs = 500'000'000;  // after a longer one the stand begins anew
constexpr double kStillRad = 8.0 * std::numbers::pi / 180.0;
// Each makes what is off the mean at least 100 times less: the samples are within 16 degrees.
constexpr int kMeanSteps = 12;

// The rotation whose summed squared distance to samples is least: the main axis of the sum of
// their q q^T (Markley et al., "Averaging Quaternions", 2007), near `start`.
Quaternion mean_rotation(const std::array<double, 16>& sum, const Quaternion& start) {
  Quaternion mean = start;
  for (int step = 0; step < kMeanSteps; ++step) {
    const auto row = [&](int i) {
      return sum[4 * i] * mean.x + sum[4 * i + 1] * mean.y + sum[4 * i + 2] * mean.z +
             sum[4 * i + 3] * mean.w;
    };
    mean = normalised({row(0), row(1), row(2), row(3)});
  }
  return mean;
}

void add_outer_product(std::array<double, 16>& sum, const Quaternion& q) {
  const std::array<double, 4> values{q.x, q.y, q.z, q.w};
  for (size_t row = 0; row < 4; ++row)
    for (size_t column = 0; column < 4; ++column)
      sum[4 * row + column] += values[row] * values[column];
}

}  // namespace

std::optional<LegStraps> LegMounting::straps(double ground_y) const {
  if (!measured_) return given_;
  return LegStraps{std::clamp(measured_->head_y - ground_y, kLowestHeadM, kHighestHeadM),
                   measured_->mountings};
}

void LegMounting::give(const LegStraps& straps) {
  ingestion_.set_leg_mountings(straps.mountings);
  given_ = straps;
  measured_.reset();
  begin(CalibrationState::GIVEN);
}

void LegMounting::forget() {
  ingestion_.set_leg_mountings({});
  given_.reset();
  measured_.reset();
  begin(CalibrationState::DEFAULT);
}

void LegMounting::start() {
  stand_.frames = 0;
  state_ = CalibrationState::COLLECTING;
  failure_ = nullptr;
}

const char* LegMounting::update(const DeviceStates& states, double ground_y, bool worn) {
  if (state_ == CalibrationState::COLLECTING) {
    failure_ = worn ? measure(states) : "the headset is not worn, or not tracked well";
    if (failure_) state_ = CalibrationState::FAILED;
    return failure_;
  }
  if (const auto stood = stood_m(ground_y)) {
    const double share = (states.poses[kHead].position[1] - ground_y) / *stood;
    for (MountWatch& watch : watches_) watch.update(states, share);
  }
  return nullptr;
}

// The head's height in the stand; none where there was none, or its floor is not told.
std::optional<double> LegMounting::stood_m(double ground_y) const {
  if (!measured_) return given_ ? std::optional(given_->head_height_m) : std::nullopt;
  const double height_m = measured_->head_y - ground_y;
  return height_m >= kLowestHeadM ? std::optional(height_m) : std::nullopt;
}

const char* LegMounting::measure(const DeviceStates& states) {
  if (!states.has(kNumPoseDevices) || !states.has(kNumPoseDevices + 1))
    return "a leg tracker is not there";
  // As the sensors read: a mounting that is told in the middle of it does not count.
  std::array<Quaternion, kNumLegDevices> read;
  for (int leg = 0; leg < kNumLegDevices; ++leg)
    read[leg] = states.legs[leg].orientation * conjugate(states.mountings[leg]);
  const PoseSample& head = states.poses[kHead];
  const int64_t passed_ns = states.timestamp_ns - stand_.newest_ns;
  if (stand_.frames > 0 && (passed_ns < 0 || passed_ns > kLongestGapNs)) stand_.frames = 0;
  stand_.newest_ns = states.timestamp_ns;
  if (stand_.frames == 0) {
    stand_.first_ns = states.timestamp_ns;
    stand_.heading_sine = stand_.heading_cosine = 0.0;
    for (int leg = 0; leg < kNumLegDevices; ++leg) stand_.legs[leg] = {read[leg], {}};
  }
  const double heading = yaw_of(head);
  stand_.heading_sine += std::sin(heading);
  stand_.heading_cosine += std::cos(heading);
  if (stand_.frames < kMostHeights) stand_.head_ys[stand_.frames] = head.position[1];
  ++stand_.frames;
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    Stand::Leg& stood = stand_.legs[leg];
    if (norm(rotation_log(conjugate(stood.first) * read[leg])) > kStillRad) return "the legs moved";
    add_outer_product(stood.outer_products, read[leg]);
  }
  if (states.timestamp_ns - stand_.first_ns >= kStandNs) apply();
  return nullptr;
}

void LegMounting::apply() {
  const double heading = std::atan2(stand_.heading_sine, stand_.heading_cosine);
  Measured measured;
  for (int leg = 0; leg < kNumLegDevices; ++leg) {
    const Quaternion read = mean_rotation(stand_.legs[leg].outer_products, stand_.legs[leg].first);
    const Quaternion expected = rotation_about({0, 1, 0}, heading + kOutwardRad[leg]);
    measured.mountings[leg] = normalised(conjugate(read) * expected);
  }
  ingestion_.set_leg_mountings(measured.mountings);
  const size_t heights = std::min(stand_.frames, kMostHeights);
  measured.head_y = quantile(std::span(stand_.head_ys).first(heights), 0.5);
  measured_ = measured;
  begin(CalibrationState::DONE);
}

void LegMounting::begin(CalibrationState state) {
  state_ = state;
  failure_ = nullptr;
  for (MountWatch& watch : watches_) watch.reset();
}

}  // namespace same
