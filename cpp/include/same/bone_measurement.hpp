// The user's bone lengths: the median of poses that stand, or given.
#pragma once

#include <optional>

#include "same/bone_lengths.hpp"
#include "same/pose.hpp"
#include "same/posture_samples.hpp"

namespace same {

// What a bone may be long, metres.
constexpr double kShortestBoneM = 0.01, kLongestBoneM = 1.0;

// For one thread at a time; fixed memory.
class BoneMeasurement {
 public:
  // All but the pelvis's kShortestBoneM..kLongestBoneM.
  void give(const BoneLengths& lengths);
  // Takes one pose; only VALID ones count.
  void update(const Pose& pose);

  // None before.
  const std::optional<BoneLengths>& lengths() const { return lengths_; }

 private:
  std::optional<BoneLengths> lengths_;
  bool given_ = false;
  PostureSamples<BoneLengths> samples_;
};

}  // namespace same
