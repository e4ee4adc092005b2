// From 22 positions to a skeleton: a rotation at every joint, bones that never stretch.
#pragma once

#include <cstdint>

#include "same/foot_planter.hpp"
#include "same/skeleton_directions.hpp"
#include "same/user_offsets.hpp"

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
  FootContacts foot_contacts{};
};

// Solves poses one after the other; carries twists from pose to pose. For one thread at a time.
class SkeletonSolver {
 public:
  // `keep`: else the pose is solved from what is carried and leaves no trace.
  SolvedSkeleton solve(const BodyObservation& body, bool keep = true);
  // Forgets what is carried from pose to pose; the user's offsets stay.
  void reset() { newest_.reset(); }

  UserOffsets& user() { return user_; }

  double ground_y = 0.0;    // height of the floor, metres
  bool plant_feet = false;  // see FootPlanter

 private:
  struct Carried {
    int64_t timestamp_ns = 0;
    DeviceOrientations devices;
    SolvedSkeleton skeleton;
    FootPlanter feet;
    int moving_poses = 0;  // since the velocities began
  };

  UserOffsets user_;
  std::optional<Carried> newest_;
};

}  // namespace same
