"""Fisheye cameras of the headset: Kannala-Brandt lens model, rig and ray maps (NumPy, float64)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.json_values import number_array, real_number, shown, whole_number
from same_runtime.conventions import VIEWS

_NEWTON_STEPS = 20
_LENS_CHECKS = 1024
_BISECTIONS = 40
_LARGEST_SIDE = 4096
_LARGEST = 1e6


@dataclass(frozen=True)
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
        if min(self.fx, self.fy) <= 0:
            raise InvalidInputError(
                f"camera: expected positive fx and fy, got {self.fx} and {self.fy}"
            )
        if not 0 < self.max_incidence <= np.pi:
            raise InvalidInputError(
                f"max_incidence: expected radians in (0, pi], got {self.max_incidence}"
            )
        turn = self._turning_point()
        if turn is not None:
            raise InvalidInputError(
                f"k: the lens polynomial must increase up to max_incidence, "
                f"{self.max_incidence:.4f} rad, but turns at {turn:.4f} rad "
                f"({np.rad2deg(turn):.1f} degrees); give a max_incidence below that if the lens "
                "images no more, or calibrate with points nearer to the image's edge"
            )
        object.__setattr__(self, "T_head_cam", _rigid_transform("T_head_cam", self.T_head_cam))

    def _turning_point(self) -> float | None:
        """The incidence, radians, at which the radius stops increasing; None if that is beyond
        ``max_incidence``."""
        theta = np.linspace(0.0, self.max_incidence, _LENS_CHECKS)
        falling = np.flatnonzero(self._slope(theta) <= 0)
        if not len(falling):
            return None
        low, high = theta[falling[0] - 1], theta[falling[0]]
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self._slope(middle) <= 0 else (middle, high)
        return float(high)

    def _radius(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        k1, k2, k3, k4 = self.k
        t2 = theta * theta
        return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))

    def _slope(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        k1, k2, k3, k4 = self.k
        t2 = theta * theta
        return 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))

    def project(
        self, points_cam: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Project camera-frame points, also those beside or behind the image plane.

        ``points_cam``: (..., 3) metres. Returns pixels (..., 2) and a mask (...) that is true
        where the incidence is within ``max_incidence`` and the pixel inside the image.
        """
        points = np.asarray(points_cam, dtype=np.float64)
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        rho = np.hypot(x, y)
        theta = np.arctan2(rho, z)
        scale = self._radius(theta) / np.where(rho > 0, rho, 1.0)
        u = self.fx * scale * x + self.cx
        v = self.fy * scale * y + self.cy
        valid = (
            (theta <= self.max_incidence)
            & (np.abs(points).max(axis=-1) > 0)
            & (u >= -0.5)
            & (u <= self.width - 0.5)
            & (v >= -0.5)
            & (v <= self.height - 0.5)
        )
        return np.stack([u, v], axis=-1), valid

    def unproject(
        self, pixels: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Unit viewing rays in the camera frame of (..., 2) pixels.

        Returns rays (..., 3) and a mask (...) that is false beyond ``max_incidence``, where
        the ray is that of the lens's edge.
        """
        pixels = np.asarray(pixels, dtype=np.float64)
        mx = (pixels[..., 0] - self.cx) / self.fx
        my = (pixels[..., 1] - self.cy) / self.fy
        radius = np.hypot(mx, my)
        edge = self._radius(np.asarray(self.max_incidence))
        target = np.minimum(radius, edge)
        # Newton held inside a bracket: the polynomial increases on it, so this always converges.
        low, high = np.zeros_like(target), np.full_like(target, self.max_incidence)
        theta = np.minimum(target, self.max_incidence)
        for _ in range(_NEWTON_STEPS):
            error = self._radius(theta) - target
            high = np.where(error > 0, theta, high)
            low = np.where(error <= 0, theta, low)
            step = theta - error / self._slope(theta)
            theta = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        direction = np.where(radius > 0, radius, 1.0)
        sin = np.sin(theta)
        rays = np.stack([sin * mx / direction, sin * my / direction, np.cos(theta)], axis=-1)
        return rays, radius <= edge


def _rigid_transform(name: str, value: object) -> NDArray[np.float64]:
    T = number_array(name, value, (4, 4))
    if np.abs(T).max() > _LARGEST:
        raise InvalidInputError(f"{name}: expected values within +-{_LARGEST:g}")
    rotation = T[:3, :3]
    if (
        np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-5
        or np.linalg.det(rotation) < 0
        or np.abs(T[3] - (0, 0, 0, 1)).max() > 1e-9
    ):
        raise InvalidInputError(f"{name}: expected a rigid transform (rotation, translation)")
    T.setflags(write=False)
    return T


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
        if (self.left.width, self.left.height) != (self.right.width, self.right.height):
            raise InvalidInputError(
                "rig: both cameras must have one image size, got "
                f"{self.left.width}x{self.left.height} and {self.right.width}x{self.right.height}"
            )

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

    @property
    def T_cam_left_cam_right(self) -> NDArray[np.float64]:
        """(4, 4): right-camera points into the left-camera frame."""
        return np.linalg.inv(self.left.T_head_cam) @ self.right.T_head_cam

    def ray_map(
        self, width: int, height: int, depth_mode: str = "range"
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Viewing rays per feature pixel: the operator's ``rays``, ``origins`` and ``axes``.

        ``width``, ``height``: size of the feature map laid over the whole image.
        ``depth_mode``: ``range`` gives unit rays, ``z`` rays with z = 1 in their own camera.
        Returns rays (2, 3, height, width), camera centres (2, 3) in metres and optical axes
        (2, 3), all float32 in the left-camera frame. Pixels the lens does not image (and, for
        ``z``, rays at or behind the image plane) have a zero ray.
        """
        if depth_mode not in ("range", "z"):
            raise InvalidInputError(f"depth_mode: expected 'range' or 'z', got {depth_mode!r}")
        rays = np.zeros((2, 3, height, width), np.float32)
        origins = np.zeros((2, 3), np.float32)
        axes = np.zeros((2, 3), np.float32)
        for view, (camera, T) in enumerate(
            zip(self.cameras, (np.eye(4), self.T_cam_left_cam_right), strict=True)
        ):
            u = (np.arange(width) + 0.5) * camera.width / width - 0.5
            v = (np.arange(height) + 0.5) * camera.height / height - 0.5
            directions, valid = camera.unproject(np.stack(np.meshgrid(u, v), axis=-1))
            if depth_mode == "z":
                z = directions[..., 2]
                valid = valid & (z > np.cos(np.deg2rad(85.0)))
                directions = directions / np.where(valid, z, 1.0)[..., None]
            directions = np.where(valid[..., None], directions, 0.0) @ T[:3, :3].T
            rays[view] = directions.transpose(2, 0, 1)
            origins[view] = T[:3, 3]
            axes[view] = T[:3, 2]
        return rays, origins, axes
