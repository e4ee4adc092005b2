// The user's own skeleton: the offset of each joint from its parent.
#pragma once

#include <vector>

#include "same/body.hpp"

namespace same {

// Whether the body stands upright on straight legs. Then the headset's height holds its length;
// of a body that sits or crouches, a network tells lengths badly.
bool stands_upright(const Joints& joints);

// Offsets in the T-pose, metres: those of the first pose, then once and for all the median of the
// first good ones that stand upright. Who never stands gets the median of those there are. Left
// and right bones are of one length.
class UserOffsets {
 public:
  UserOffsets();

  // Fixes the lengths; directions at pelvis and chest are still measured.
  void give_lengths(const std::array<double, kNumJoints>& lengths);
  // One pose: its joints, and its bones in the axes of each joint's parent.
  void update(const Joints& joints, const Joints& bones, bool good);

  const Joints& offsets() const { return offsets_; }
  int changed_count() const { return changed_count_; }

 private:
  void set(const Joints& bones);

  Joints offsets_{};
  std::vector<Joints> upright_, any_;  // as large as they get from the start
  std::array<double, kNumJoints> lengths_{};
  bool given_ = false;
  int good_poses_ = 0;
  int changed_count_ = 0;
};

}  // namespace same
