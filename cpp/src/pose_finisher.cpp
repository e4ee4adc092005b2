#include "same/pose_finisher.hpp"

#include <algorithm>

namespace same {

PoseFinisher::PoseFinisher(const FinisherOptions& options, const Calibration& calibration)
    : calibration_(calibration),
      // A solved skeleton has the user's lengths anyway.
      hold_bone_lengths_(options.hold_bone_lengths && !options.solve_rotations) {
  if (options.smoothing) smoother_.emplace(*options.smoothing);
  if (options.solve_rotations) {
    solver_.emplace();
    solver_->plant_feet = options.plant_feet;
  }
}

Pose PoseFinisher::finish(Pose pose, bool keep) {
  const UserSettings user = calibration_.user(pose.timestamp_ns);
  if (pose.has_body()) {
    {
      const std::lock_guard lock(mutex_);
      if (smoother_) pose.set_joints(smoother_->smooth(pose, keep));
      if (solver_) solve(pose, user, keep);
    }
    if (hold_bone_lengths_ && user.bone_lengths_m)
      pose.set_joints(with_bone_lengths(pose.joints_world, *user.bone_lengths_m));
  }
  if (user.T_user_world) move(pose, *user.T_user_world);
  pose.frame_changes = user.frame_changes;
  return pose;
}

void PoseFinisher::reset() {
  const std::lock_guard lock(mutex_);
  if (smoother_) smoother_->reset();
  if (solver_) solver_->reset();
}

void PoseFinisher::solve(Pose& pose, const UserSettings& user, bool keep) {
  if (user.bone_lengths_m && user.bone_lengths_m != given_lengths_) {
    solver_->user().give_lengths(*user.bone_lengths_m);
    given_lengths_ = user.bone_lengths_m;
  }
  solver_->ground_y = user.ground_y_world;
  const SolvedSkeleton solved =
      solver_->solve({pose.timestamp_ns, pose.joints_world, pose.device_orientations,
                      pose.status == PoseStatus::VALID, pose.reasons.contains(Reason::RELOCALISED)},
                     keep);
  pose.set_joints(solved.joints);
  pose.skeleton = Skeleton{solved, solver_->user().offsets(), solver_->user().changed_count()};
}

}  // namespace same
