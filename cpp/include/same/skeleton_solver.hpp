// From 22 positions to a skeleton: a rotation at every joint, bones that never stretch.
#pragma once

#include <cstdint>
#include <vector>

#include "same/skeleton_directions.hpp"

namespace same {

// One pose as the solver takes it.
struct BodyObservation {
  int64_t timestamp_ns = 0;
  Joints joints{};  // metres, world
  DeviceOrientations devices;
  bool good = true;      // counts in the measurement of the user's bones
  bool restart = false;  // what was carried from the poses before does not hold
};

struct SolvedSkeleton {
  Joints joints{};             // metres, world: the observed bones at the user's lengths
  JointRotations rotations{};  // T-pose to world
  JointRotations local{};      // joint to its parent; the pelvis's is to the world
  Joints velocities{};         // m/s, world
  Joints turn_rates{};         // rad/s, world
};

// The offset of each joint from its parent, metres, in the T-pose: those of the first pose, then
// once and for all the median of the first good ones.
class UserOffsets {
 public:
  // Fixes the lengths; directions at pelvis and chest are still measured.
  void give_lengths(const std::array<double, kNumJoints>& lengths);
  // One pose's bones in the axes of each joint's parent.
  void update(const Joints& bones, bool good);

  const Joints& offsets() const { return offsets_; }
  int changed_count() const { return changed_count_; }

 private:
  void set(const Joints& bones);

  Joints offsets_{};
  std::vector<Joints> samples_;
  std::array<double, kNumJoints> lengths_{};
  bool given_ = false;
  int changed_count_ = 0;
};

// Solves poses one after the other; carries twists from pose to pose. For one thread at a time.
class SkeletonSolver {
 public:
  // `keep`: else the pose is solved from what is carried and leaves no trace.
  SolvedSkeleton solve(const BodyObservation& body, bool keep = true);
  // Forgets what is carried from pose to pose; the user's offsets stay.
  void reset() { newest_.reset(); }

  UserOffsets& user() { return user_; }

 private:
  struct Carried {
    int64_t timestamp_ns;
    DeviceOrientations devices;
    SolvedSkeleton skeleton;
    int moving_poses;  // since the velocities began
  };

  UserOffsets user_;
  std::optional<Carried> newest_;
};

}  // namespace same
