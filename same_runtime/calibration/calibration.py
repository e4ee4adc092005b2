"""What differs from user to user and day to day: height, leg straps, floor, forward direction."""

import logging
from dataclasses import replace
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError
from same_runtime._core import DeviceStates, FrameAssembler, How, Ingestion, floor_anchor
from same_runtime.conventions import DEVICES, LEG_DEVICES, NUM_JOINTS
from same_runtime.pose import Pose, PoseStatus, read_only_copy
from same_runtime.skeleton.bone_lengths import bone_lengths, with_bone_lengths

_log = logging.getLogger("same")

EYE_HEIGHT_SHARE: Final = 0.936
"""Height of the eyes over stature (Winter, Biomechanics and Motor Control, 2009, fig. 4.1)."""
_UPRIGHT_COS: Final = np.cos(np.deg2rad(20.0))
_HEIGHT_SAMPLES: Final = 120
_STAND_NS: Final = 1_500_000_000
_STILL_RAD: Final = np.deg2rad(8.0)
_LEG_OUTWARD_RAD: Final = {"leg_left": np.deg2rad(30.0), "leg_right": np.deg2rad(-30.0)}
"""Where on the shin the sensor sits, turned outward from straight ahead: mid of the training's."""


class CalibrationState(Enum):
    """How far one calibration is."""

    DEFAULT = "nothing given or measured"
    COLLECTING = "measuring"
    DONE = "measured"
    GIVEN = "given by the application"
    FAILED = "the measurement did not work; start it again"


class Calibration:
    """Calibrations of one tracker; each has its state. All lengths are metres.

    Height and bone lengths are measured by themselves from the first poses. The others begin
    when the application asks for them.
    """

    def __init__(
        self, assembler: FrameAssembler, ingestion: Ingestion, hold_bone_lengths: bool = False
    ) -> None:
        self._assembler = assembler
        self._ingestion = ingestion
        self._hold_bone_lengths = hold_bone_lengths
        self.height_state = CalibrationState.COLLECTING
        self.user_height_m: float | None = None
        """Stature, from the head's height while it is upright; None until measured or given."""
        self.bone_lengths_m: NDArray[np.float64] | None = None
        """(22,) from each joint's parent, 0 for the pelvis: the median of the first poses, or
        given. Poses come out with them if ``TrackerOptions.hold_bone_lengths``."""
        self.legs_state = CalibrationState.DEFAULT
        self.floor_state = CalibrationState.DEFAULT
        self.forward_state = CalibrationState.DEFAULT
        self.T_user_world: NDArray[np.float64] = read_only_copy(np.eye(4))
        """Poses come out in this frame: the world after recentring (yaw and place)."""
        self._head_heights: list[float] = []
        self._bones: list[NDArray[np.float64]] = []
        self._standing: list[tuple[int, float, dict[str, Rotation]]] = []

    def set_user_height(self, height_m: float) -> None:
        """Give the stature, 0.8..2.5 m, instead of measuring it."""
        if not 0.8 <= height_m <= 2.5:
            raise InvalidInputError(f"height_m: expected 0.8..2.5 metres, got {height_m}")
        self.user_height_m, self.height_state = float(height_m), CalibrationState.GIVEN

    def set_bone_lengths(self, lengths_m: NDArray[np.float64]) -> None:
        """Give the bones' lengths, (22,) from each joint's parent (the pelvis's is not used),
        0.01..1 m, instead of measuring them."""
        lengths = np.array(lengths_m, np.float64)
        if (
            lengths.shape != (NUM_JOINTS,)
            or not ((lengths[1:] >= 0.01) & (lengths[1:] <= 1.0)).all()
        ):
            raise InvalidInputError(
                f"lengths_m: expected ({NUM_JOINTS},) of 0.01..1 metres, got {lengths_m!r}"
            )
        lengths[0] = 0.0
        self.bone_lengths_m = read_only_copy(lengths)

    def set_floor(self, ground_y_m: float) -> None:
        """Give the floor's height in the world; it counts from the next frame on."""
        if not abs(ground_y_m) <= 1e3:
            raise InvalidInputError(f"ground_y_m: expected metres, got {ground_y_m}")
        self._assembler.ground_y = ground_y_m
        self.floor_state = CalibrationState.GIVEN

    def floor_from_controller(self, states: DeviceStates) -> float:
        """Take the lower controller's height in ``states`` as the floor's: put one down first.

        Returns it. Raises ``InvalidInputError`` when no controller is tracked.
        """
        heights = [
            float(states.position(index)[1]) for index in (1, 2) if states.how[index] != How.MISSING
        ]
        if not heights:
            raise InvalidInputError("floor: no controller is tracked; put one on the floor")
        self._assembler.ground_y = min(heights)
        self.floor_state = CalibrationState.DONE
        return min(heights)

    def start_legs(self) -> None:
        """Measure how the leg sensors are strapped on: the user now stands upright and still for
        two seconds and looks where the feet point."""
        self._standing.clear()
        self.legs_state = CalibrationState.COLLECTING

    def recentre(self, states: DeviceStates, keep_place: bool = False) -> None:
        """Make the head's heading in ``states`` forward (-z), and unless ``keep_place`` its place
        on the floor the origin. Raises ``InvalidInputError`` while the head is not tracked."""
        if states.how[0] == How.MISSING:
            raise InvalidInputError("recentre: the head is not tracked")
        T_world_anchor = floor_anchor(states.position(0), states.orientation_xyzw(0), 0.0)
        if keep_place:
            T_world_anchor[:3, 3] = 0.0
        self.T_user_world = read_only_copy(np.asarray(np.linalg.inv(T_world_anchor), np.float64))
        self.forward_state = CalibrationState.DONE

    def update(self, pose: Pose, states: DeviceStates) -> None:
        """Take one estimate into what is being measured."""
        if self.height_state is CalibrationState.COLLECTING:
            self._measure_height(states)
        if self.bone_lengths_m is None and pose.status is PoseStatus.VALID:
            self._measure_bones(pose)
        if self.legs_state is CalibrationState.COLLECTING:
            self._measure_legs(states)

    def _measure_height(self, states: DeviceStates) -> None:
        up = Rotation.from_quat(states.orientation_xyzw(0)).apply((0.0, 1.0, 0.0))[1]
        if up < _UPRIGHT_COS:
            return
        self._head_heights.append(float(states.position(0)[1]) - self._assembler.ground_y)
        if len(self._head_heights) >= _HEIGHT_SAMPLES:
            # People stoop more often than they stretch.
            self.user_height_m = float(np.percentile(self._head_heights, 90)) / EYE_HEIGHT_SHARE
            self.height_state = CalibrationState.DONE
            self._head_heights.clear()

    def _measure_bones(self, pose: Pose) -> None:
        self._bones.append(bone_lengths(pose.joints_world))
        if len(self._bones) >= _HEIGHT_SAMPLES:
            self.bone_lengths_m = read_only_copy(np.asarray(np.median(self._bones, axis=0)))
            self._bones.clear()

    def _measure_legs(self, states: DeviceStates) -> None:
        legs = {
            device: Rotation.from_quat(states.orientation_xyzw(DEVICES.index(device)))
            for device in LEG_DEVICES
            if states.how[DEVICES.index(device)] != How.MISSING
        }
        if len(legs) < len(LEG_DEVICES):
            self.legs_state = CalibrationState.FAILED
            _log.warning("leg calibration: a leg tracker is not there")
            return
        T = floor_anchor(states.position(0), states.orientation_xyzw(0), 0.0)
        heading = float(np.arctan2(T[0, 2], T[0, 0]))
        self._standing.append((states.timestamp_ns, heading, legs))
        first_ns, _, first = self._standing[0]
        if any((first[d].inv() * legs[d]).magnitude() > _STILL_RAD for d in LEG_DEVICES):
            self.legs_state = CalibrationState.FAILED
            _log.warning("leg calibration: the legs moved")
            return
        if states.timestamp_ns - first_ns < _STAND_NS:
            return
        headings = np.array([heading for _, heading, _ in self._standing])
        heading = float(np.angle(np.exp(1j * headings).mean()))
        for device in LEG_DEVICES:
            index = DEVICES.index(device)
            believed = Rotation.concatenate([legs[device] for _, _, legs in self._standing]).mean()
            expected = Rotation.from_euler("y", heading + _LEG_OUTWARD_RAD[device])
            yaw, mounting = self._ingestion.leg_correction(index)
            # What was believed already has the former correction in it.
            more = believed.inv() * expected
            self._ingestion.set_leg_correction(
                index, yaw, (Rotation.from_quat(mounting) * more).as_quat()
            )
        self.legs_state = CalibrationState.DONE
        self._standing.clear()

    def shown(self, pose: Pose) -> Pose:
        """``pose`` with the user's bone lengths, if they are held, in the user's frame."""
        lengths = self.bone_lengths_m
        if self._hold_bone_lengths and lengths is not None and pose.joints_world.any():
            joints_world = with_bone_lengths(pose.joints_world, lengths)
            T_world_cam = pose.T_world_cam_left
            pose = replace(
                pose,
                joints_world=joints_world,
                joints_cam_left=(joints_world - T_world_cam[:3, 3]) @ T_world_cam[:3, :3],
            )
        if self.forward_state is CalibrationState.DEFAULT:
            return pose
        T = self.T_user_world
        return replace(
            pose,
            joints_world=pose.joints_world @ T[:3, :3].T + T[:3, 3],
            T_world_cam_left=T @ pose.T_world_cam_left,
        )
