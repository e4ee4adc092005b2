// The user's own skeleton: the offset of each joint from its parent.
#pragma once

#include "same/body.hpp"
#include "same/posture_samples.hpp"

namespace same {

// Whether the body stands upright on straight legs. Then the headset's height holds its length.
bool stands_upright(const Joints& joints);

// Offsets in the T-pose, metres: those of the first pose, then the median of good ones, see
// PostureSamples. Left and right bones are of one length.
class UserOffsets {
 public:
  // Fixes the lengths; directions at pelvis and chest are still measured.
  void give_lengths(const std::array<double, kNumJoints>& lengths);
  // One pose: its joints, and its bones in the axes of each joint's parent.
  void update(const Joints& joints, const Joints& bones, bool good);

  const Joints& offsets() const { return offsets_; }
  int changed_count() const { return changed_count_; }

 private:
  void set(const Joints& bones);

  Joints offsets_{};
  PostureSamples<Joints> samples_;
  std::array<double, kNumJoints> lengths_{};
  bool given_ = false;
  int changed_count_ = 0;
};

}  // namespace same
