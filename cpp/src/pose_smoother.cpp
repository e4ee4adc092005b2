#include "same/pose_smoother.hpp"

#include "same/prediction.hpp"

namespace same {
namespace {

constexpr int64_t kLongestGapNs = 500'000'000;

}  // namespace

Joints PoseSmoother::smooth(const Pose& pose, bool keep) {
  const Joints& joints = pose.joints_world;
  int64_t gap_ns = newest_ ? pose.timestamp_ns - newest_->timestamp_ns : -1;
  if (!keep && -kLongestGapNs <= gap_ns && gap_ns <= 0) gap_ns = 1;
  const bool restart =
      pose.reasons.contains(Reason::RELOCALISED) || gap_ns < 0 || gap_ns > kLongestGapNs;
  OneEuroState state;
  if (!newest_ || restart)
    state = OneEuroState::start(joints);
  else if (gap_ns == 0)
    state = newest_->state;
  else
    state = newest_->state.after(joints, 1e-9 * static_cast<double>(gap_ns), settings_);
  if (keep) newest_ = Carried{pose.timestamp_ns, state};
  Joints smooth = state.values;
  follow_head(smooth, joints[kHeadJoint]);
  for (int hand = 0; hand < 2; ++hand)
    if (pose.device_orientations[1 + hand])
      follow_hand(smooth, hand, joints[kFollowsHand[hand].wrist]);
  return smooth;
}

}  // namespace same
