"""The samples of one worn device."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class DeviceStream:
    """What one device reported, in order of time."""

    timestamp_ns: NDArray[np.int64]
    """(n,) on the application's clock, with the errors of its alignment."""
    orientation_xyzw: NDArray[np.float64]
    """(n, 4) device to world."""
    position: NDArray[np.float64] | None
    """(n, 3) metres, world; None for leg sensors."""
    acceleration: NDArray[np.float64] | None
    """(n, 3) m/s^2, world, gravity removed; None for 6DOF devices."""
