#include "same/bone_measurement.hpp"

#include <algorithm>

#include "same/quantile.hpp"

namespace same {
namespace {

constexpr int kTakeEvery = 10;  // of the poses in any posture, for who never stands

bool human(const BoneLengths& lengths) {
  return std::all_of(lengths.begin() + 1, lengths.end(), [](double length) {
    return length >= kShortestBoneM && length <= kLongestBoneM;
  });
}

}  // namespace

void BoneMeasurement::give(const BoneLengths& lengths) {
  lengths_ = lengths;
  lengths_->front() = 0.0;
  is_final_ = true;
}

void BoneMeasurement::update(const Pose& pose) {
  if (is_final_ || pose.status != PoseStatus::VALID) return;
  const BoneLengths lengths = bone_lengths(pose.joints_world);
  if (!human(lengths)) return;
  if (stands_upright(pose.joints_world)) upright_.lengths[upright_.count++] = lengths;
  if (!lengths_ && poses_++ % kTakeEvery == 0) any_.lengths[any_.count++] = lengths;
  is_final_ = upright_.count == kSamples;
  if (is_final_)
    lengths_ = median(upright_);
  else if (!lengths_ && any_.count == kSamples)
    lengths_ = median(any_);
}

BoneLengths BoneMeasurement::median(const Samples& samples) {
  BoneLengths measured;
  std::array<double, kSamples> values;
  for (int joint = 0; joint < kNumJoints; ++joint) {
    for (size_t i = 0; i < kSamples; ++i) values[i] = samples.lengths[i][joint];
    measured[joint] = quantile(values, 0.5);
  }
  for (const int left : kLeftJoints)
    measured[left] = measured[left + 1] = 0.5 * (measured[left] + measured[left + 1]);
  return measured;
}

}  // namespace same
