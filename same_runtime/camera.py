"""Fisheye cameras of the headset: Kannala-Brandt lens model, rig and ray maps (float64)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.json_values import number_array, real_number, shown, whole_number
from same_runtime import _core
from same_runtime.conventions import VIEWS
from same_runtime.samples import StereoFrame

_LARGEST_SIDE = 4096
_LARGEST = 1e6


@dataclass(frozen=True, eq=False)
class FisheyeCamera:
    """One calibrated fisheye camera (Kannala-Brandt, as OpenCV's ``fisheye`` module).

    A point at incidence angle ``theta`` lands at radius
    ``theta + k1 theta^3 + k2 theta^5 + k3 theta^7 + k4 theta^9`` (times the focal length).
    Source: Kannala and Brandt, "A generic camera model and calibration method", 2006.

    Raises ``InvalidInputError`` for values that are no finite numbers, non-positive sizes or focal
    lengths, a lens polynomial that is not increasing up to ``max_incidence``, or a ``T_head_cam``
    that is not a rigid transform.
    """

    width: int
    """Image width, pixels."""
    height: int
    """Image height, pixels."""
    fx: float
    """Focal length along x, pixels."""
    fy: float
    """Focal length along y, pixels."""
    cx: float
    """Principal point x, pixels; pixel centres are at integers."""
    cy: float
    """Principal point y, pixels."""
    k: tuple[float, float, float, float]
    """Lens coefficients k1..k4."""
    T_head_cam: NDArray[np.float64]
    """(4, 4) float64: camera (OpenCV axes) to headset (OpenXR axes), metres."""
    max_incidence: float = 1.5
    """Largest incidence angle the lens images, radians (may exceed pi/2)."""

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = whole_number(name, getattr(self, name), 1, _LARGEST_SIDE)
            object.__setattr__(self, name, value)
        for name in ("fx", "fy", "cx", "cy", "max_incidence"):
            object.__setattr__(self, name, real_number(name, getattr(self, name), _LARGEST))
        k = number_array("k (k1..k4)", self.k, (4,))
        object.__setattr__(self, "k", tuple(k.tolist()))
        T_head_cam = number_array("T_head_cam", self.T_head_cam, (4, 4))
        T_head_cam.setflags(write=False)
        object.__setattr__(self, "T_head_cam", T_head_cam)
        self.native()

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, FisheyeCamera) else False

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[object, ...]:
        T_head_cam = self.T_head_cam + 0.0  # a -0.0 is a 0.0
        return (*(vars(self) | {"T_head_cam": T_head_cam.tobytes()}).values(),)

    def native(self) -> _core.FisheyeCamera:
        """The core's camera, which does the arithmetic."""
        try:
            return _core.FisheyeCamera(**vars(self))
        except ValueError as error:
            raise InvalidInputError(str(error)) from None

    def project(
        self, points_cam: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Project camera-frame points, also those beside or behind the image plane.

        ``points_cam``: (..., 3) metres. Returns pixels (..., 2) and a mask (...) that is true
        where the incidence is within ``max_incidence`` and the pixel inside the image.
        """
        return self.native().project(_rows("points_cam", points_cam, 3))

    def unproject(
        self, pixels: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Unit viewing rays in the camera frame of (..., 2) pixels.

        Returns rays (..., 3) and a mask (...) that is false beyond ``max_incidence``, where
        the ray is that of the lens's edge.
        """
        return self.native().unproject(_rows("pixels", pixels, 2))


def _rows(name: str, value: object, size: int) -> NDArray[np.float64]:
    try:
        rows = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{name}: expected numbers, got {shown(value)}") from None
    if rows.ndim == 0 or rows.shape[-1] != size:
        raise InvalidInputError(f"{name}: expected shape (..., {size}), got {rows.shape}")
    return rows


@dataclass(frozen=True)
class CameraRig:
    """The two body-facing cameras of one headset.

    ``cam_left`` is the paper's local frame: every pose is estimated in it.
    """

    left: FisheyeCamera
    right: FisheyeCamera

    def __post_init__(self) -> None:
        for view, camera in zip(VIEWS, self.cameras, strict=True):
            if not isinstance(camera, FisheyeCamera):
                raise InvalidInputError(
                    f"rig.{view}: expected a FisheyeCamera, got {type(camera).__name__}"
                )
        self.native()

    def native(self) -> _core.CameraRig:
        """The core's rig, which does the arithmetic."""
        try:
            return _core.CameraRig(self.left.native(), self.right.native())
        except ValueError as error:
            raise InvalidInputError(str(error)) from None

    @property
    def cameras(self) -> tuple[FisheyeCamera, FisheyeCamera]:
        """The cameras in view order (left, right)."""
        return self.left, self.right

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The rig as plain JSON values; ``from_dict`` reads it back."""
        return {
            view: {**asdict(camera), "T_head_cam": camera.T_head_cam.tolist()}
            for view, camera in zip(VIEWS, self.cameras, strict=True)
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "CameraRig":
        """Build a rig from ``to_dict``'s form. Raises ``InvalidInputError`` naming what is off."""
        try:
            if not isinstance(content, Mapping) or set(content) != set(VIEWS):
                raise InvalidInputError(f"rig: expected cameras {VIEWS}, got {shown(content)}")
            return cls(**{view: FisheyeCamera(**content[view]) for view in VIEWS})
        except (TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InvalidInputError):
                raise
            raise InvalidInputError(f"rig: {error}") from None

    def check_frame(self, frame: StereoFrame) -> None:
        """Raise ``InvalidInputError`` for images of another size than these cameras give."""
        shape = (self.left.height, self.left.width)
        for view in VIEWS:
            image = getattr(frame, view)
            if image is not None and image.shape != shape:
                raise InvalidInputError(
                    f"frame.{view}: expected the rig's (height, width) {shape}, got {image.shape}"
                )

    @property
    def T_cam_left_cam_right(self) -> NDArray[np.float64]:
        """(4, 4): right-camera points into the left-camera frame."""
        return self.native().T_cam_left_cam_right

    def ray_map(
        self,
        width: int,
        height: int,
        depth_mode: str = "range",
        column_zoom: float = 1.0,
        row_zoom: float = 1.0,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Viewing rays per feature pixel: the operator's ``rays``, ``origins`` and ``axes``.

        ``width``, ``height``: size of the feature map laid over the whole image.
        ``depth_mode``: ``range`` gives unit rays, ``z`` rays with z = 1 in their own camera.
        ``column_zoom``, ``row_zoom``: how much denser than evenly spaced the middle columns and
        rows are, 1 to 4.
        Returns rays (2, 3, height, width), camera centres (2, 3) in metres and optical axes
        (2, 3), all float32 in the left-camera frame. Pixels the lens does not image (and, for
        ``z``, rays at or behind the image plane) have a zero ray.
        """
        if depth_mode not in ("range", "z"):
            raise InvalidInputError(f"depth_mode: expected 'range' or 'z', got {depth_mode!r}")
        width = whole_number("width", width, 1, _LARGEST_SIDE)
        height = whole_number("height", height, 1, _LARGEST_SIDE)
        zooms = real_number("column_zoom", column_zoom), real_number("row_zoom", row_zoom)
        try:
            return self.native().ray_map(width, height, depth_mode == "z", *zooms)
        except ValueError as error:
            raise InvalidInputError(str(error)) from None
