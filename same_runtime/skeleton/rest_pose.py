"""The T-pose that rotations are measured from: see ``docs/skeleton.md``.

In it every joint has the world's axes: +x to the body's right, +y up, +z backward (OpenXR). The
body faces -z, arms out to the sides with the palms down, legs straight down, feet forward.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core

REST_OFFSETS_M: Final[NDArray[np.float64]] = _core.REST_OFFSETS_M
"""(22, 3) from each joint's parent, metres, of a mean adult; a user's have other lengths, and at
pelvis and chest directions."""
