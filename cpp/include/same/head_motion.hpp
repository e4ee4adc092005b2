// How a head moves on, and when it moved as none does: its tracker has relocalised, or its world
// was recentred.
#pragma once

#include <optional>

#include "same/synchroniser.hpp"

namespace same {

struct HeadMotion {
  Vec3 velocity{};   // m/s, world
  Vec3 turn_rate{};  // rad/s, about the head's own axes
};

// The motion from one frame's devices to the next one's; none where either head is a guess far
// beyond its samples, or they are too far apart, or too near, to say.
std::optional<HeadMotion> head_motion(const DeviceStates& before, const DeviceStates& after);

// Where a head that moved so at `before` is expected a while later; where it was, if the motion is
// not known or the while is long.
PoseSample expected_head(const DeviceStates& before, const std::optional<HeadMotion>& motion,
                         int64_t gap_ns);

// What a head that moved so at `before` cannot have done by the time of `after`.
Jump head_jump(const DeviceStates& before, const std::optional<HeadMotion>& motion,
               const DeviceStates& after);

}  // namespace same
