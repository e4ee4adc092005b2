// Which foot stands, and feet that stand still while they do.
#pragma once

#include "same/body.hpp"

namespace same {

// Per foot, left and right: how sure it is that the toes stand on the floor, 0..1.
using FootContacts = std::array<double, 2>;

// Takes poses one after the other; small, so that a copy can look ahead.
class FootPlanter {
 public:
  // `gap_s`: since the pose before; negative: none leads here. Metres, world; the floor is at
  // ground_y.
  const FootContacts& observe(const Joints& joints, double ground_y, double gap_s);

  // `joints` with the toes of each standing foot where they came to stand, and none below the
  // floor. Only knees, ankles and feet move: thighs, shins and feet keep their lengths, the body
  // stays. `rotations` tell a straight leg which way its knee bends. After `observe`.
  Joints planted(const Joints& joints, const JointRotations& rotations, double ground_y,
                 double gap_s);

 private:
  struct Foot {
    Vec3 toes{};      // newest, as observed
    Vec3 velocity{};  // m/s, smoothed
    Vec3 stand{};     // where the toes stand while `standing`
    Vec3 offset{};    // from the toes as observed to where they are put
    bool standing = false;
  };

  std::array<Foot, 2> feet_{};
  FootContacts contacts_{};
};

}  // namespace same
