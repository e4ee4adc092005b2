"""Could a person who wears the devices give these inputs? Reasons, and hints at likely mistakes."""

import logging
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime._core import DeviceStates, cell_statistics
from same_runtime.conventions import DEVICES
from same_runtime.pose import Pose, Reason
from same_runtime.skeleton.bone_lengths import bone_lengths

_log = logging.getLogger("same")

# Every limit: what real recordings reach (130 + 150 motion capture clips with crawling, rolls,
# cartwheels and climbing; 350 s of three headset sessions; 19 s of leg IMUs), and what the mistake
# gives.
_FLAT_CONTRAST: Final = 4.0
"""Grey levels between cells; lit rooms 34, black 0. With 4.9 images help still, with 2.4 they harm:
65 and 107 mm against 72 without images."""
_CELLS: Final = (24, 32)
"""Means over so many rows and columns of cells leave the pixels' noise out of the contrast."""
_BRIGHT: Final = 200.0
"""Mean grey level from which a flat image is saturated; lit rooms 122 at most, all white 255."""
_WHITE: Final = 250.0
_MOSTLY: Final = 0.85
"""Share of white cells; lit rooms 0.01. With 0.79 images help still, with 0.88 they harm: 65 and
78 mm against 72 without images."""
_HEAD_HEIGHT_M: Final = (-0.3, 3.0)
"""Over the floor; clips 0.13 (rolls, lying) to 2.78 (climbing)."""
_CENTIMETRES_FROM: Final = 30.0
_MILLIMETRES_FROM: Final = 300.0
_FLOOR_LEVEL_M: Final = 0.05
_UPRIGHT: Final = 0.85
"""Upwards part of the head's up axis; no clip has it with the head below 0.2 m."""
_LONG_ON_FLOOR_S: Final = 2.0
_UPSIDE_DOWN: Final = -0.5
_UPSIDE_DOWN_FROM_M: Final = 0.9
_LONG_UPSIDE_DOWN_S: Final = 2.0
"""Upside down above 0.9 m; clips 0.8 s (a cartwheel), for ever in wxyz order."""
_STANDING_M: Final = 1.2
_LONG_LEG_UP_S: Final = 2.0
"""A shin upside down below a standing head; clips 0.6 s (climbing), for ever in wxyz order."""
_STILL_M: Final = 0.003
_STILL_COS_HALF: Final = math.cos(math.radians(0.5) / 2)
_LONG_STILL_S: Final = 5.0
"""Within 3 mm and 0.5 degrees; headsets in use 0.24 s, and 18 mm and 1.9 degrees in any 5 s. Heads
that rest on a pillow may, so that the cameras are asked too:"""
_BODY_JOINTS: Final = 8
_BODY_SEEN: Final = 0.7
"""Mean confidence of the 8 joints seen best; bodies 0.74 and more (dark room, one camera), scenes
without one 0.67 at most, no images 0."""
_GRAVITY: Final = 6.0
"""m/s^2, mean acceleration of a leg; clips 2.5, real leg IMUs 1.7; with gravity left in 8.4."""
_GRAVITY_MEAN_S: Final = 2.0
_STRONGEST: Final = 15.0
"""m/s^2 that one sample counts for at most, so that kicks and stamps do not make the mean."""
_REACH_M: Final = 1.5
_LONG_OUT_OF_REACH_S: Final = 0.5
"""Controller to head; sessions and clips 1.03 m."""
_LONGEST_BONE_M: Final = 1.2
"""Demo 0.46, twice the thigh of the tallest people; poses in wxyz order 1.26, in millimetres 6."""
_BELOW_FLOOR_M: Final = 0.3
"""Demo: no joint below the floor."""
_LONG_NO_BODY_S: Final = 0.5
_LONGEST_STEP_S: Final = 0.5
"""After a longer gap everything that lasts begins anew."""
_LEGS: Final = (3, 4)


class _Lasting:
    """Whether something has held for ``long_s`` without a break."""

    def __init__(self, long_s: float) -> None:
        self._long_s = long_s
        self._for_s: float | None = None

    def after(self, step_s: float, holds: bool) -> bool:
        if not holds:
            self._for_s = None
            return False
        self._for_s = 0.0 if self._for_s is None else self._for_s + step_s
        return self._for_s >= self._long_s


class Plausibility:
    """Judges frame after frame; for one thread at a time.

    ``image_mean``, ``image_std``: of the network's images, in shares of white.
    """

    def __init__(self, image_mean: float, image_std: float) -> None:
        self._grey_mean, self._grey_std = 255.0 * image_mean, 255.0 * image_std
        self.hints: tuple[str, ...] = ()
        """The likely mistake behind each kind of implausible input met so far."""
        self._hinted: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Forget what has lasted; the hints stay."""
        self._last_ns: int | None = None
        self._still_pose: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._still = _Lasting(_LONG_STILL_S)
        self._lies_still = False
        self._no_body = _Lasting(_LONG_NO_BODY_S)
        self._step_s = 0.0
        self._upside_down = _Lasting(_LONG_UPSIDE_DOWN_S)
        self._on_floor = _Lasting(_LONG_ON_FLOOR_S)
        self._out_of_reach = [_Lasting(_LONG_OUT_OF_REACH_S) for _ in DEVICES]
        self._leg_up = [_Lasting(_LONG_LEG_UP_S) for _ in DEVICES]
        self._mean_acceleration = [np.zeros(3) for _ in DEVICES]

    def of_view(self, image: NDArray[np.float32]) -> Reason | None:
        """Why a network image (height, width) shows nothing; None when it does."""
        white = (_WHITE - self._grey_mean) / self._grey_std
        mean, std, white_share = cell_statistics(image, *_CELLS, white)
        grey = self._grey_mean + self._grey_std * mean
        flat = self._grey_std * std <= _FLAT_CONTRAST
        if (flat and grey >= _BRIGHT) or white_share >= _MOSTLY:
            self._hint("white images", f"a camera's images are white ({grey:.0f} of 255): exposure")
            return Reason.CAMERAS_SATURATED
        if not flat:
            return None
        self._hint(
            "flat images",
            f"a camera's images are flat at {grey:.0f} of 255: covered, switched off, or the room "
            "is too dark",
        )
        return Reason.CAMERAS_COVERED

    def of_devices(self, states: DeviceStates, ground_y_m: float) -> tuple[Reason, ...]:
        """Why the devices at one frame, a tracked head among them, cannot be worn ones."""
        step_s = 0.0
        if self._last_ns is not None:
            step_s = 1e-9 * (states.timestamp_ns - self._last_ns)
            if not 0.0 <= step_s <= _LONGEST_STEP_S:
                self.reset()
                step_s = 0.0
        self._last_ns, self._step_s = states.timestamp_ns, step_s
        head_height_m = float(states.position(0)[1]) - ground_y_m
        reasons = []
        self._lies_still = self._head_lies_still(states, step_s)
        if self._head_is_implausible(states, head_height_m, step_s):
            reasons.append(Reason.IMPLAUSIBLE_HEAD)
        if any([self._is_out_of_reach(device, states, step_s) for device in (1, 2)]):
            reasons.append(Reason.IMPLAUSIBLE_CONTROLLER)
        if any([self._leg_is_implausible(leg, states, head_height_m, step_s) for leg in _LEGS]):
            reasons.append(Reason.IMPLAUSIBLE_LEG)
        return tuple(reasons)

    def of_estimate(self, pose: Pose, ground_y_m: float) -> tuple[Reason, ...]:
        """Why ``pose``, made of the devices judged last and of images, is nobody or no body."""
        reasons = []
        if self._lies_still and np.sort(pose.joint_confidence)[-_BODY_JOINTS:].mean() <= _BODY_SEEN:
            reasons.append(Reason.NOT_WORN)
            self._hint(
                "still head",
                f"the head has not moved by {1e3 * _STILL_M:.0f} mm in {_LONG_STILL_S:.0f} s and "
                "the cameras see nobody: the headset is not worn, or the runtime repeats its last "
                "pose",
            )
        longest_m = float(bone_lengths(pose.joints_world).max())
        lowest_m = float(pose.joints_world[:, 1].min()) - ground_y_m
        if self._no_body.after(
            self._step_s, longest_m > _LONGEST_BONE_M or lowest_m < -_BELOW_FLOOR_M
        ):
            reasons.append(Reason.IMPLAUSIBLE_POSE)
            self._hint(
                "pose",
                f"the body has a bone of {longest_m:.2f} m and its lowest joint {lowest_m:.2f} m "
                "over the floor: are the rig, TrackerOptions.ground_y_m and every device's frame "
                "right?",
            )
        return tuple(reasons)

    def _head_lies_still(self, states: DeviceStates, step_s: float) -> bool:
        position, orientation = states.position(0), states.orientation_xyzw(0)
        still = (
            self._still_pose is not None
            and math.dist(position, self._still_pose[0]) <= _STILL_M
            and abs(float(orientation @ self._still_pose[1])) >= _STILL_COS_HALF
        )
        if not still:
            self._still_pose = position, orientation
        return self._still.after(step_s, still)

    def _head_is_implausible(self, states: DeviceStates, height_m: float, step_s: float) -> bool:
        up = states.upwards(0)
        upside_down = self._upside_down.after(
            step_s, up < _UPSIDE_DOWN and height_m > _UPSIDE_DOWN_FROM_M
        )
        on_floor = self._on_floor.after(step_s, up > _UPRIGHT and height_m < _FLOOR_LEVEL_M)
        lowest_m, highest_m = _HEAD_HEIGHT_M
        if height_m > highest_m:
            likely = "is the floor at TrackerOptions.ground_y_m?"
            if height_m > _CENTIMETRES_FROM:
                unit = "centimetres" if height_m < _MILLIMETRES_FROM else "millimetres"
                likely = f"are these {unit}?"
            self._hint("high head", f"head height {height_m:.4g}: metres expected, {likely}")
        elif on_floor:
            self._hint(
                "head on the floor",
                f"an upright head at {height_m:.2f} m over the floor: is this OpenXR's LOCAL "
                "space? y = 0 is expected at the floor, as in STAGE or LOCAL_FLOOR",
            )
        elif height_m < lowest_m:
            self._hint(
                "head below the floor",
                f"head height {height_m:.4g} m is below the floor: y must point up, and the "
                "floor be at TrackerOptions.ground_y_m",
            )
        if upside_down:
            self._hint(
                "upside-down head",
                "the head is upside down: quaternions look like wxyz, xyzw is expected",
            )
        return upside_down or on_floor or not lowest_m <= height_m <= highest_m

    def _is_out_of_reach(self, device: int, states: DeviceStates, step_s: float) -> bool:
        distance_m = math.dist(states.position(0), states.position(device))
        tracked = states.has(device)
        found = self._out_of_reach[device].after(step_s, tracked and distance_m > _REACH_M)
        if found:
            self._hint(
                f"far {DEVICES[device]}",
                f"{DEVICES[device]} is {distance_m:.4g} m from the head: is it in the hand, and in "
                "the head's space and unit?",
            )
        return found

    def _leg_is_implausible(
        self, device: int, states: DeviceStates, head_height_m: float, step_s: float
    ) -> bool:
        name, mean = DEVICES[device], self._mean_acceleration[device]
        tracked = states.has(device)
        upside_down = self._leg_up[device].after(
            step_s,
            tracked and head_height_m > _STANDING_M and states.upwards(device) < _UPSIDE_DOWN,
        )
        if upside_down:
            self._hint(
                f"upside-down {name}",
                f"{name} is upside down while the head is at {head_height_m:.1f} m: quaternions "
                "look like wxyz (xyzw is expected), or the strap is",
            )
        if not tracked:
            mean[:] = 0.0
            return False
        acceleration = states.acceleration(device)
        strength = math.hypot(*acceleration)
        share = min(1.0, step_s / _GRAVITY_MEAN_S)
        mean += share * (acceleration * min(1.0, _STRONGEST / max(strength, 1e-9)) - mean)
        found = math.hypot(*mean) > _GRAVITY
        if found:
            self._hint_at_gravity(name, mean)
        return found or upside_down

    def _hint_at_gravity(self, name: str, mean: NDArray[np.float64]) -> None:
        size = math.hypot(*mean)
        if mean[1] > 0.8 * size:
            where, likely = "upwards", "gravity was not removed"
        elif mean[1] < -0.8 * size:
            where, likely = "downwards", "gravity has the wrong sign or was removed twice"
        else:
            where, likely = "sideways", "gravity was not removed, or not in the world frame"
        self._hint(
            f"gravity {name}",
            f"{name} acceleration averages {size:.1f} m/s^2 {where}: {likely}, see "
            "LegReading.from_specific_force",
        )

    def _hint(self, kind: str, text: str) -> None:
        """Keep and log the first hint of each kind."""
        if kind not in self._hinted:
            self._hinted.add(kind)
            self.hints = (*self.hints, text)
            _log.warning("%s", text)
