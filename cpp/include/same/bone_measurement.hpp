// The user's bone lengths: the median of poses that stand, or given.
#pragma once

#include <array>
#include <optional>

#include "same/bone_lengths.hpp"
#include "same/pose.hpp"

namespace same {

// What a bone may be long, metres.
constexpr double kShortestBoneM = 0.01, kLongestBoneM = 1.0;

// For one thread at a time; fixed memory.
class BoneMeasurement {
 public:
  // All but the pelvis's kShortestBoneM..kLongestBoneM.
  void give(const BoneLengths& lengths);
  // Takes one pose; only VALID ones count, and upright ones most: of a body that sits, a network
  // tells lengths badly, so that what is measured of one counts only until it has stood.
  void update(const Pose& pose);

  // None before.
  const std::optional<BoneLengths>& lengths() const { return lengths_; }

 private:
  static constexpr size_t kSamples = 60;

  struct Samples {
    std::array<BoneLengths, kSamples> lengths{};
    size_t count = 0;
  };

  static BoneLengths median(const Samples& samples);

  std::optional<BoneLengths> lengths_;
  bool is_final_ = false;  // given, or of poses that stood
  Samples upright_, any_;
  int poses_ = 0;
};

}  // namespace same
