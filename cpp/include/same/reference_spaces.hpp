// The spaces that devices were told in, one after the other: a runtime's reference
// space changes when the user recentres the headset.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "same/device_samples.hpp"

namespace same {

// How far a new space may lean against the one before: both stand upright, but for rounding.
constexpr double kMostLeanRad = 0.02;

// All that is tracked stays in the first space, the world, so that nothing that is carried on from
// frame to frame has to be moved. Spaces differ by a turn about y and a shift. For one thread at a
// time; fixed memory.
class ReferenceSpaces {
 public:
  // From `timestamp_ns` on, which is not before the last change, poses are told in a space whose
  // origin was at `origin` in the one before. What `origin` leans is left out.
  void change(int64_t timestamp_ns, const PoseSample& origin);

  // Whether there has been more than one.
  bool changed() const { return newest().number > 0; }
  // The last change; the least number before the first.
  int64_t newest_ns() const { return newest().since_ns; }
  // From the space of that time into the world.
  RigidTransform T_world_space(int64_t timestamp_ns) const;
  RigidTransform T_world_newest() const { return of(newest()); }
  // How often the space had changed by that time.
  uint64_t changes(int64_t timestamp_ns) const { return at(timestamp_ns).number; }
  // A pose of the space of that time, in the world.
  PoseSample into_world(int64_t timestamp_ns, const PoseSample& sample) const;
  LegSample into_world(int64_t timestamp_ns, const LegSample& sample) const;

  // Time begins anew: every time is the newest space's.
  void restart();

 private:
  struct Space {
    int64_t since_ns = std::numeric_limits<int64_t>::min();
    double yaw = 0.0;  // of its axes in the world, as its origin
    Vec3 origin{};
    uint64_t number = 0;
  };

  // Nobody asks about times further back than a few seconds.
  static constexpr size_t kKept = 8;

  static RigidTransform of(const Space& space);
  const Space& at(int64_t timestamp_ns) const;
  const Space& newest() const { return spaces_[count_ - 1]; }

  std::array<Space, kKept> spaces_{};  // oldest first
  size_t count_ = 1;
};

// `sample` in the space that `T` leads to: a turn about y and a shift.
PoseSample moved(const RigidTransform& T, const PoseSample& sample);

}  // namespace same
