#include "same/bone_measurement.hpp"

#include <algorithm>

#include "same/quantile.hpp"

namespace same {
namespace {

using Samples = PostureSamples<BoneLengths>;

bool human(const BoneLengths& lengths) {
  return std::all_of(lengths.begin() + 1, lengths.end(), [](double length) {
    return length >= kShortestBoneM && length <= kLongestBoneM;
  });
}

BoneLengths median(const std::vector<BoneLengths>& samples) {
  BoneLengths measured;
  std::array<double, Samples::kSamples> values;
  for (int joint = 0; joint < kNumJoints; ++joint) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = samples[i][joint];
    measured[joint] = quantile(values, 0.5);
  }
  for (const int left : kLeftJoints)
    measured[left] = measured[left + 1] = 0.5 * (measured[left] + measured[left + 1]);
  return measured;
}

}  // namespace

void BoneMeasurement::give(const BoneLengths& lengths) {
  lengths_ = lengths;
  lengths_->front() = 0.0;
  given_ = true;
}

void BoneMeasurement::update(const Pose& pose) {
  if (given_ || samples_.is_final() || pose.status != PoseStatus::VALID) return;
  const BoneLengths lengths = bone_lengths(pose.joints_world);
  if (!human(lengths)) return;
  if (const auto* counts = samples_.take(lengths, stands_upright(pose.joints_world)))
    lengths_ = median(*counts);
}

}  // namespace same
