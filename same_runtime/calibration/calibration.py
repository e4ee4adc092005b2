"""What differs from user to user and day to day: height, bones, leg straps, floor, forward."""

import logging
import warnings

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.json_values import shown
from same_runtime._core import DeviceStates, FrameAssembler, Ingestion
from same_runtime.calibration.bones import Bones
from same_runtime.calibration.floor_and_forward import Floor, Forward
from same_runtime.calibration.height import Height
from same_runtime.calibration.leg_mounting import LegMounting
from same_runtime.calibration.profile import UserProfile, now_utc
from same_runtime.calibration.state import CalibrationState
from same_runtime.pose import Pose

_log = logging.getLogger("same")


class Calibration:
    """Calibrations of one tracker; each has its state. All lengths are metres.

    Height and bone lengths are measured by themselves from the first poses. The others begin
    when the application asks for them.
    """

    def __init__(
        self,
        assembler: FrameAssembler,
        ingestion: Ingestion,
        hold_bone_lengths: bool = False,
        rig: str = "",
    ) -> None:
        self._assembler = assembler
        self._hold_bone_lengths = hold_bone_lengths
        self._rig = rig
        self._height = Height()
        self._bones = Bones()
        self._legs = LegMounting(ingestion)
        self._floor = Floor(assembler)
        self._forward = Forward()

    @property
    def height_state(self) -> CalibrationState:
        """State of ``user_height_m``."""
        return self._height.state

    @property
    def user_height_m(self) -> float | None:
        """Stature, from the head's height while it is upright, for avatars; None until measured.
        No pose depends on it."""
        return self._height.user_height_m

    @property
    def bone_lengths_m(self) -> NDArray[np.float64] | None:
        """(22,) from each joint's parent, 0 for the pelvis: the median of the first poses, or
        given. Poses come out with them if ``TrackerOptions.hold_bone_lengths``."""
        return self._bones.lengths_m

    @property
    def legs_state(self) -> CalibrationState:
        """State of what ``start_legs`` measures."""
        return self._legs.state

    @property
    def legs_changed(self) -> bool:
        """Whether a leg sensor does not sit any more as it was measured or given, or has drifted
        that far; poses are LIMITED (``Reason.MOUNT_CHANGED``) then. ``start_legs`` mends it."""
        return self._legs.changed

    @property
    def floor_state(self) -> CalibrationState:
        """State of the floor's height."""
        return self._floor.state

    @property
    def forward_state(self) -> CalibrationState:
        """State of ``T_user_world``."""
        return self._forward.state

    @property
    def T_user_world(self) -> NDArray[np.float64]:
        """(4, 4): poses come out in this frame, the world after recentring (yaw and place)."""
        return self._forward.T_user_world

    def set_user_height(self, height_m: float) -> None:
        """Deprecated, and gone in the next version: changes no pose, only ``user_height_m``.

        No use of a known stature makes poses better (``docs/decisions/``). 0.8..2.5 m.
        """
        warnings.warn(
            "set_user_height changes no pose and will go; keep a height that you know yourself",
            DeprecationWarning,
            stacklevel=2,
        )
        self._height.set(height_m)

    def set_bone_lengths(self, lengths_m: NDArray[np.float64]) -> None:
        """Give the bones' lengths, (22,) from each joint's parent (the pelvis's is not used),
        0.01..1 m, instead of measuring them."""
        self._bones.set(lengths_m)

    def set_floor(self, ground_y_m: float) -> None:
        """Give the floor's height in the world; it counts from the next frame on."""
        self._floor.set(ground_y_m)

    def floor_from_controller(self, states: DeviceStates) -> float:
        """Take the lower controller's height in ``states`` as the floor's: put one down first.

        Returns it. Raises ``InvalidInputError`` when no controller is tracked.
        """
        return self._floor.from_controller(states)

    def start_legs(self) -> None:
        """Measure how the leg sensors are strapped on: the user now stands upright and still for
        two seconds and looks where the feet point."""
        self._legs.start()

    def recentre(self, states: DeviceStates, keep_place: bool = False) -> None:
        """Make the head's heading in ``states`` forward (-z), and unless ``keep_place`` its place
        on the floor the origin. Raises ``InvalidInputError`` while the head is not tracked."""
        self._forward.recentre(states, keep_place)

    def profile(self, user: str = "") -> UserProfile:
        """What is calibrated by now, to be saved for the next session. ``user``: whose it is."""
        floor_known = self.floor_state is not CalibrationState.DEFAULT
        return UserProfile(
            user,
            now_utc(),
            self._rig,
            self.user_height_m,
            self.bone_lengths_m,
            self._legs.straps(self._assembler.ground_y),
            self._assembler.ground_y if floor_known else None,
        )

    def use(self, profile: UserProfile) -> None:
        """Take what ``profile`` holds instead of measuring it; its floor only with the headset
        that it is of. Raises ``InvalidInputError`` for what is no ``UserProfile``."""
        if not isinstance(profile, UserProfile):
            raise InvalidInputError(f"profile: expected a UserProfile, got {shown(profile)}")
        if profile.height_m is not None:
            self._height.set(profile.height_m)
        if profile.bone_lengths_m is not None:
            self._bones.set(profile.bone_lengths_m)
        if profile.leg_straps is not None:
            self._legs.give(profile.leg_straps)
        if profile.floor_y_m is not None and profile.rig == self._rig:
            self._floor.set(profile.floor_y_m)
        elif profile.floor_y_m is not None:
            _log.warning("the profile is of another headset: its floor is not used")

    def update(self, pose: Pose, states: DeviceStates) -> None:
        """Take one estimate, in the world, into what is being measured."""
        self._height.update(states, self._assembler.ground_y)
        self._bones.update(pose)
        self._legs.update(states, self._assembler.ground_y)

    def in_user_frame(self, pose: Pose) -> Pose:
        """``pose`` with the user's bone lengths, if they are held, in the user's frame."""
        if self._hold_bone_lengths:
            pose = self._bones.held(pose)
        return self._forward.in_user_frame(pose)
