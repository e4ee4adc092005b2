"""The pose for the time a frame is seen: carried on from the newest estimate, tied to the head."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core
from same_runtime._core import DeviceStates
from same_runtime.core_pose import to_core
from same_runtime.pose import Pose


@dataclass(frozen=True, eq=False)
class Estimate:
    """One network estimate and what its continuation needs; never changed once made."""

    pose: Pose
    states: DeviceStates
    """The devices at the pose's time."""
    recent_s: NDArray[np.float64]
    """(n,) seconds from the pose's time, at most 0: the last rows of the network's window, oldest
    first; ``VELOCITY_FRAMES`` of them count."""
    recent_world: NDArray[np.float64]
    """(n, 22, 3) metres: the joints that the network gives for these times, all from this
    estimate. They share its errors, so that their slope has less noise than that of the poses
    given out one by one."""

    @cached_property
    def core_pose(self) -> _core.Pose:
        """``pose`` for the core: several of its parts take it in one frame."""
        return to_core(self.pose)

    @cached_property
    def core(self) -> _core.Estimate:
        """The same for the core, made when first asked for: most estimates are replaced before
        anybody looks ahead."""
        return _core.Estimate(self.core_pose, self.states, self.recent_s, self.recent_world)

    @property
    def velocity(self) -> NDArray[np.float64]:
        """(22, 3) m/s, world frame: a straight line through the recent joints, bounded."""
        return self.core.velocities


def continued(
    estimate: Estimate, states: DeviceStates, horizon_s: float, max_extrapolation_s: float
) -> NDArray[np.float64]:
    """Joints (22, 3), metres, world, ``horizon_s`` after ``estimate``.

    The joints keep their velocity for at most ``max_extrapolation_s``. What the head and the
    controllers, ``states`` at the later time, did differently is then shared out along the body:
    the head and wrists end where their devices are, the feet stay. A head that has jumped takes
    the whole body along (yaw and place).
    """
    return _core.continued(estimate.core, states, horizon_s, max_extrapolation_s)
