// The frame that a window of poses is expressed in: on the floor under the head, facing its way.
#pragma once

#include "same/device_samples.hpp"

namespace same {

// Returns T_world_anchor: origin (head x, ground_y, head z), axes turned about y by the head's
// yaw, so that the head looks along -z. Near the vertical the forward axis has no yaw: from 15 to
// 5 degrees of it the up axis takes over gradually, which keeps the frame from jumping.
RigidTransform floor_anchor(const PoseSample& head, double ground_y);

// The anchor's turn about y, radians; 0 looks along -z.
double yaw_of(const PoseSample& head);

}  // namespace same
