// How far a joint can turn against its parent.
#pragma once

#include "same/body.hpp"

namespace same {

// `rotations` (T-pose to world) with the joints of spine and neck and the collars turned back into
// limits that are wider than what captured people reach.
JointRotations within_limits(JointRotations rotations);

}  // namespace same
