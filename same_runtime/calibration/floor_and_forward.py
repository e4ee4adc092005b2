"""The floor's height, and the user's frame: where forward is and where its origin lies."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_number
from same_runtime._core import DeviceStates, FrameAssembler, LookupKind, floor_anchor
from same_runtime.calibration.state import CalibrationState
from same_runtime.pose import Pose, read_only_copy
from same_runtime.skeleton.quaternions import about, multiply

_LOWEST_HEAD_M: Final = 0.3
_HIGHEST_HEAD_M: Final = 2.5
"""Where the head of somebody can be who puts a controller on the floor."""


class Floor:
    """The floor's height in the world, which counts from the next frame on; metres."""

    def __init__(self, assembler: FrameAssembler) -> None:
        self._assembler = assembler
        self.state = CalibrationState.DEFAULT

    def set(self, ground_y_m: float) -> None:
        """Give the height."""
        self._assembler.ground_y = checked_number("ground_y_m", ground_y_m, -1e3, 1e3, "metres")
        self.state = CalibrationState.GIVEN

    def from_controller(self, states: DeviceStates) -> float:
        """Take the lower controller's height in ``states`` and return it. Raises
        ``InvalidInputError`` when no controller is tracked, and when a head above it is where no
        head is while a hand reaches the floor."""
        heights = [
            float(states.position(index)[1])
            for index in (1, 2)
            if states.how[index] != LookupKind.MISSING
        ]
        if not heights:
            raise InvalidInputError("floor: no controller is tracked; put one on the floor")
        ground_y_m = min(heights)
        if states.how[0] != LookupKind.MISSING:
            head_height_m = float(states.position(0)[1]) - ground_y_m
            if not _LOWEST_HEAD_M <= head_height_m <= _HIGHEST_HEAD_M:
                raise InvalidInputError(
                    f"floor: expected the head {_LOWEST_HEAD_M:g}..{_HIGHEST_HEAD_M:g} m above the "
                    f"lower controller, got {head_height_m:.2f} m; put one on the floor"
                )
        self._assembler.ground_y = ground_y_m
        self.state = CalibrationState.DONE
        return ground_y_m


class Forward:
    """The frame that poses come out in: the world until it is recentred (yaw and place)."""

    def __init__(self) -> None:
        self.state = CalibrationState.DEFAULT
        self.T_user_world: NDArray[np.float64] = read_only_copy(np.eye(4))

    def recentre(self, states: DeviceStates, keep_place: bool) -> None:
        """Make the head's heading in ``states`` forward (-z), and unless ``keep_place`` its place
        on the floor the origin. Raises ``InvalidInputError`` while the head is not tracked."""
        if states.how[0] == LookupKind.MISSING:
            raise InvalidInputError("recentre: the head is not tracked")
        T_world_anchor = floor_anchor(states.position(0), states.orientation_xyzw(0), 0.0)
        if keep_place:
            T_world_anchor[:3, 3] = 0.0
        self.T_user_world = read_only_copy(np.asarray(np.linalg.inv(T_world_anchor), np.float64))
        self.state = CalibrationState.DONE

    def in_user_frame(self, pose: Pose) -> Pose:
        """``pose``, of the world, in the user's frame."""
        if self.state is CalibrationState.DEFAULT:
            return pose
        T = self.T_user_world
        turn = about(np.array((0.0, 1.0, 0.0)), np.arctan2(T[0, 2], T[0, 0]))
        return replace(
            pose,
            joints_world=pose.joints_world @ T[:3, :3].T + T[:3, 3],
            T_world_cam_left=T @ pose.T_world_cam_left,
            device_orientations_world=multiply(turn, pose.device_orientations_world),
            skeleton=None if pose.skeleton is None else pose.skeleton.moved(turn, T[:3, 3]),
        )
