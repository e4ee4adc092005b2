// What is done to poses on their way out, one after the other: smoothing, bones, feet, frame.
#pragma once

#include <mutex>
#include <optional>

#include "same/calibration.hpp"
#include "same/pose_smoother.hpp"
#include "same/skeleton_solver.hpp"

namespace same {

struct FinisherOptions {
  std::optional<OneEuro> smoothing;
  bool solve_rotations = false;    // poses come with their skeleton
  bool plant_feet = false;         // see FootPlanter; with solve_rotations
  bool hold_bone_lengths = false;  // poses come with the calibration's bone lengths
};

// Finishes the poses of one stream. Any thread may call any method. Allocates only when built.
class PoseFinisher {
 public:
  // `calibration` must outlive it.
  PoseFinisher(const FinisherOptions& options, const Calibration& calibration);

  // `pose`, of the world, as it is given out, in the user's frame. `keep`: else it is beside the
  // stream and leaves no trace in it.
  Pose finish(Pose pose, bool keep = true);
  // Forgets what is carried from pose to pose.
  void reset();

 private:
  void solve(Pose& pose, const UserSettings& user, bool keep);

  const Calibration& calibration_;
  bool hold_bone_lengths_;
  std::mutex mutex_;  // of what is below
  std::optional<PoseSmoother> smoother_;
  std::optional<SkeletonSolver> solver_;
  std::optional<BoneLengths> given_lengths_;
};

}  // namespace same
