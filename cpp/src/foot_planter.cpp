#include "same/foot_planter.hpp"

#include <algorithm>

namespace same {
namespace {

struct Leg {
  int hip, knee, ankle, foot;
};
constexpr std::array<Leg, 2> kLegs{{{kLeftHip, kLeftKnee, kLeftAnkle, kLeftFoot},
                                    {kRightHip, kRightKnee, kRightAnkle, kRightFoot}}};

// Of the shipped body standing on the floor, metres over it.
constexpr double kToesHeight = 0.058, kAnkleHeight = 0.112;
// The thresholds below have the least foot error on 26 validation recordings, none of them shipped.
constexpr double kSurelyDown = 0.08, kSurelyUp = 0.14;
constexpr double kSurelyStill = 0.35, kSurelyMoving = 0.90;  // m/s
constexpr double kVelocityWindowS = 0.15;
constexpr double kStandsFrom = 0.5, kStandsTo = 0.25;
// A foot whose observed place is further off than this has gone, whatever else speaks for it.
constexpr double kFurthestOff = 0.20;
constexpr double kNearEnoughToStand = 0.15;
constexpr double kReturnS = 0.10;
// A standing foot goes so fast, m/s, to where it is observed: too slowly to be seen.
constexpr double kCreep = 0.05;
// Lowest that a joint of the smallest shod foot can be over the floor.
constexpr double kLowestToes = 0.02, kLowestAnkle = 0.05;
constexpr double kStraightest = 0.9995;
constexpr double kForwardBias = 0.02;

double falling(double value, double high_until, double zero_from) {
  return std::clamp((zero_from - value) / (zero_from - high_until), 0.0, 1.0);
}

// `ankle` where the leg reaches: lifted first, and moved aside only where that is not enough.
Vec3 within_reach(const Vec3& hip, Vec3 ankle, double longest) {
  const double x = ankle[0] - hip[0], z = ankle[2] - hip[2];
  const double aside = std::hypot(x, z);
  if (aside > longest) {
    ankle = hip + (longest / aside) * Vec3{x, 0.0, z};
  } else {
    const double lowest = hip[1] - std::sqrt(longest * longest - aside * aside);
    ankle[1] = std::max(ankle[1], lowest);
  }
  return ankle;
}

// The knee between hip and ankle, on the side of `bend`.
Vec3 knee_between(const Vec3& hip, const Vec3& ankle, double thigh, double shin, const Vec3& bend) {
  const Vec3 span = ankle - hip;
  const double distance = std::clamp(norm(span), std::abs(thigh - shin) + 1e-6, thigh + shin);
  const double along = (thigh * thigh - shin * shin + distance * distance) / (2.0 * distance);
  const Vec3 down = unit(span);
  return hip + along * down +
         std::sqrt(std::max(thigh * thigh - along * along, 0.0)) *
             unit(bend - dot(bend, down) * down);
}

}  // namespace

const FootContacts& FootPlanter::observe(const Joints& joints, double ground_y, double gap_s) {
  for (size_t i = 0; i < kLegs.size(); ++i) {
    Foot& foot = feet_[i];
    const Vec3& toes = joints[kLegs[i].foot];
    if (gap_s < 0.0) {
      foot = Foot{toes, {}, {}, {}, false};
    } else if (gap_s > 0.0) {
      const double share = -std::expm1(-gap_s / kVelocityWindowS);
      foot.velocity = foot.velocity + share * ((1.0 / gap_s) * (toes - foot.toes) - foot.velocity);
      foot.toes = toes;
    }
    const double height = std::min(toes[1] - kToesHeight, joints[kLegs[i].ankle][1] - kAnkleHeight);
    contacts_[i] = falling(height - ground_y, kSurelyDown, kSurelyUp) *
                   falling(norm(foot.velocity), kSurelyStill, kSurelyMoving);
  }
  return contacts_;
}

Joints FootPlanter::planted(const Joints& joints, const JointRotations& rotations, double ground_y,
                            double gap_s) {
  Joints planted = joints;
  for (size_t i = 0; i < kLegs.size(); ++i) {
    Foot& foot = feet_[i];
    const Leg& leg = kLegs[i];
    const Vec3 hip = joints[leg.hip], ankle = joints[leg.ankle], toes = joints[leg.foot];
    if (foot.standing) {
      foot.standing = contacts_[i] > kStandsTo && norm(foot.stand - toes) < kFurthestOff;
      foot.offset = foot.stand - toes;
      const double off = norm(foot.offset);
      foot.offset = std::max(1.0 - kCreep * gap_s / std::max(off, 1e-9), 0.0) * foot.offset;
    }
    if (!foot.standing) {
      // Nobody sees the way back of a foot that is on its way.
      const double rate = (1.0 + norm(foot.velocity)) / kReturnS;
      foot.offset = std::exp(-std::max(gap_s, 0.0) * rate) * foot.offset;
      foot.standing = contacts_[i] > kStandsFrom && norm(foot.offset) < kNearEnoughToStand;
    }
    Vec3 target = ankle + foot.offset;
    const double below =
        ground_y + std::max(kLowestToes - (toes + foot.offset)[1], kLowestAnkle - target[1]);
    target[1] += std::max(below, 0.0);
    const double thigh = norm(joints[leg.knee] - hip), shin = norm(ankle - joints[leg.knee]);
    // Where the leg was straighter than that it may be again.
    const double longest = std::max(kStraightest * (thigh + shin), norm(ankle - hip));
    target = within_reach(hip, target, longest);
    const Vec3 move = target - ankle;
    if (dot(move, move) > 1e-12) {
      const Vec3 forward = cross(rotate(rotations[leg.knee], {1.0, 0.0, 0.0}), unit(target - hip));
      const Vec3 bend = joints[leg.knee] - hip + kForwardBias * forward;
      planted[leg.knee] = knee_between(hip, target, thigh, shin, bend);
      planted[leg.ankle] = target;
      planted[leg.foot] = toes + move;
    }
    foot.offset = move;
    if (foot.standing) foot.stand = planted[leg.foot];
  }
  return planted;
}

}  // namespace same
