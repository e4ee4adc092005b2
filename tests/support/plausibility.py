"""Could a person who wears the devices give these inputs? Reasons, and hints at likely mistakes."""

import logging

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core
from same_runtime._core import DeviceStates
from same_runtime.core_pose import reasons_from_core, to_core
from same_runtime.pose import Pose, Reason

_log = logging.getLogger("same")


class Plausibility:
    """Judges frame after frame; for one thread at a time.

    ``image_mean``, ``image_std``: of the network's images, in shares of white.
    """

    def __init__(self, image_mean: float, image_std: float) -> None:
        hints: list[str] = []

        def keep_and_log(text: str) -> None:
            hints.append(text)
            _log.warning("%s", text)

        self._hints = hints
        self._core = _core.Plausibility(image_mean, image_std, keep_and_log)

    @property
    def hints(self) -> tuple[str, ...]:
        """The likely mistake behind each kind of implausible input met so far."""
        return tuple(self._hints)

    def reset(self) -> None:
        """Forget what has lasted; the hints stay."""
        self._core.reset()

    def of_view(self, image: NDArray[np.float32]) -> Reason | None:
        """Why a network image (height, width) shows nothing; None when it does."""
        found = self._core.of_view(image)
        return None if found is None else reasons_from_core((found,))[0]

    def of_devices(self, states: DeviceStates, ground_y_m: float) -> tuple[Reason, ...]:
        """Why the devices at one frame, a tracked head among them, cannot be worn ones."""
        return reasons_from_core(self._core.of_devices(states, ground_y_m))

    def of_estimate(self, pose: Pose | _core.Pose, ground_y_m: float) -> tuple[Reason, ...]:
        """Why ``pose``, made of the devices judged last and of images, is nobody or no body."""
        return reasons_from_core(self._core.of_estimate(to_core(pose), ground_y_m))
