"""Fisheye renderer of both views: z-buffer body, analytic room, lens and exposure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_model.synth.render import _exposure, _raster, _shading
from same_model.synth.render.outfit import Mesh
from same_model.synth.render.scene import Scene
from same_runtime.camera import CameraRig

_SHADOW_CELLS = 96
_SHADOW_CELL_M = 0.03
_CONTACT_HEIGHT_M = 0.12
_TONE_STEPS = 4096


@dataclass(frozen=True)
class ImageLook:
    """How the sensor turns light into numbers, for one recording."""

    gamma: float = 0.8
    """Exponent of the tone curve; 1 is linear."""
    vignetting: float = 0.6
    """Exponent of cos(incidence) by which the lens darkens towards its edge."""
    shutter: float = 0.15
    """Exposure time over frame time (motion blur); 0 for none."""
    black_level: float = 2.0
    """Pixel value of no light."""


@dataclass(frozen=True)
class Rendered:
    """One stereo pair and its truth."""

    images: NDArray[np.uint8]
    """(2, H, W)."""
    depth: NDArray[np.float32]
    """(2, rows, columns) range in metres along the ray; 0 beyond the lens. At the rendered size:
    ``supersample`` times the image's."""
    triangle: NDArray[np.int32]
    """(2, rows, columns) face of the mesh, -1 room, -2 furniture."""
    hit_range: NDArray[np.float32]
    """(2, P) range of the first surface of the body in front of each asked point; inf if none."""
    hit_face: NDArray[np.int32]
    """(2, P) its face, or -1."""


class Renderer:
    """Renders one recording frame by frame (motion blur needs the previous frame).

    ``rig``: the true cameras, whose size is that of the images. ``supersample``: 2 renders four
    pixels for each (slower, smoother at small sizes).
    """

    def __init__(
        self, rig: CameraRig, mesh: Mesh, scene: Scene, look: ImageLook, supersample: int = 1
    ) -> None:
        self._scene, self._look, self._factor = scene, look, supersample
        self.faces = np.ascontiguousarray(mesh.faces, np.int32)
        self._rest = np.ascontiguousarray(mesh.vertices, np.float32)
        self._frames_of = np.ascontiguousarray(mesh.weight_frames, np.int32)
        self._weights = np.ascontiguousarray(mesh.weights, np.float32)
        self._materials_of = np.ascontiguousarray(mesh.face_materials, np.int32)
        self._covers = np.ascontiguousarray(mesh.face_covers, np.float32)
        camera = rig.left
        H, W = camera.height * supersample, camera.width * supersample
        self._shape = (camera.height, camera.width)
        self.rig = rig
        self._T_head_cam = [c.T_head_cam for c in rig.cameras]
        self._lenses, self._rays, self._usable, self._vignette = [], [], [], []
        for c in rig.cameras:
            s = supersample
            offset = (s - 1) / 2
            self._lenses.append(
                np.array(
                    [
                        c.fx * s,
                        c.fy * s,
                        c.cx * s + offset,
                        c.cy * s + offset,
                        *c.k,
                        c.max_incidence,
                    ]
                )
            )
            pixel = np.stack(np.meshgrid(np.arange(W), np.arange(H)), axis=-1).astype(np.float64)
            rays, valid = c.unproject((pixel - offset) / s)
            cosine = np.clip(rays[..., 2], 0.0, 1.0)
            # The image circle ends softly over about two degrees.
            edge = np.clip((c.max_incidence - np.arccos(rays[..., 2])) / 0.035, 0.0, 1.0)
            self._rays.append(rays.astype(np.float32))
            self._usable.append(valid)
            self._vignette.append(
                np.where(valid, cosine**look.vignetting * edge, 0.0).astype(np.float32)
            )
        self._pixel_angle = 1.0 / (camera.fx * supersample)
        level = np.linspace(0.0, 1.0, _TONE_STEPS) ** look.gamma
        self._tone = np.round(look.black_level + (255.0 - look.black_level) * level).astype(
            np.uint8
        )
        self._linear = np.empty((H, W), np.float32)
        self._bary = np.empty((H, W, 2), np.float32)
        self._before: list[tuple[NDArray[np.float32], NDArray[np.float64]]] | None = None
        self.mean_brightness = 0.5
        """Mean linear brightness of the last frame's usable pixels (for auto-exposure)."""

    def render(
        self,
        matrices: NDArray[np.float64],
        T_world_head: NDArray[np.float64],
        points: NDArray[np.float64],
        gain: float = 1.0,
    ) -> Rendered:
        """Render both views.

        ``matrices``: (frames of the mesh, 3, 4) rest to world. ``T_world_head``: (4, 4).
        ``points``: (P, 3) world points whose first surface is asked. ``gain``: exposure.
        """
        world, lit = self._pose_and_light(matrices)
        shadow_origin = T_world_head[[0, 2], 3] - _SHADOW_CELLS * _SHADOW_CELL_M / 2
        shadow_map = _shading.cast_shadow(
            world,
            self._scene.light,
            shadow_origin,
            _SHADOW_CELL_M,
            _SHADOW_CELLS,
            _CONTACT_HEIGHT_M,
        )
        H, W = self._linear.shape
        images = np.empty((2, *self._shape), np.uint8)
        depth = np.empty((2, H, W), np.float32)
        triangle = np.empty((2, H, W), np.int32)
        hit_range = np.empty((2, len(points)), np.float32)
        hit_face = np.empty((2, len(points)), np.int32)
        remembered = []
        brightness = 0.0
        for view in (0, 1):
            T_world_cam = T_world_head @ self._T_head_cam[view]
            R = np.ascontiguousarray(T_world_cam[:3, :3].T)
            t = -R @ T_world_cam[:3, 3]
            pixels = _raster.project(world, R, t, self._lenses[view])
            hit_range[view], hit_face[view] = _raster.rasterise(
                pixels,
                self.faces,
                self._rays[view],
                _raster.project(points, R, t, self._lenses[view]),
                depth[view],
                triangle[view],
                self._bary,
            )
            self._shade(
                view, T_world_cam, depth[view], triangle[view], lit, shadow_map, shadow_origin
            )
            self._expose(view, T_world_cam, depth[view], triangle[view], pixels, gain, images[view])
            remembered.append((pixels, T_world_cam))
            brightness += float(self._linear[::4, ::4].mean()) / 2
        self._before = remembered
        self.mean_brightness = brightness
        return Rendered(images, depth, triangle, hit_range, hit_face)

    def _pose_and_light(
        self, matrices: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """World vertices (V, 3) and their brightness (V,)."""
        world, lit = _raster.pose_and_light(
            self._rest,
            self._frames_of,
            self._weights,
            np.ascontiguousarray(matrices, np.float32),
            self.faces,
            self._scene.light,
            self._scene.ambient,
            self._scene.diffuse,
        )
        return world, lit

    def _shade(
        self,
        view: int,
        T_world_cam: NDArray[np.float64],
        depth: NDArray[np.float32],
        triangle: NDArray[np.int32],
        lit: NDArray[np.float32],
        shadow_map: NDArray[np.float32],
        shadow_origin: NDArray[np.float64],
    ) -> None:
        """Fill the linear image, and the room into ``depth`` and ``triangle``."""
        scene = self._scene
        _shading.shade(
            self._rays[view],
            self._usable[view],
            np.ascontiguousarray(T_world_cam[:3, :3]),
            T_world_cam[:3, 3],
            self._pixel_angle,
            depth,
            triangle,
            self._bary,
            self.faces,
            self._materials_of,
            self._covers,
            self._rest,
            lit,
            scene.materials,
            scene.mips,
            scene.room,
            scene.boxes,
            scene.light,
            scene.ambient,
            scene.diffuse,
            shadow_map,
            shadow_origin,
            _SHADOW_CELL_M,
            scene.shadow,
            self._linear,
        )

    def _expose(
        self,
        view: int,
        T_world_cam: NDArray[np.float64],
        depth: NDArray[np.float32],
        triangle: NDArray[np.int32],
        pixels: NDArray[np.float32],
        gain: float,
        image: NDArray[np.uint8],
    ) -> None:
        """Read the linear image out into ``image``, blurred by the motion since the last frame."""
        shutter, pixels_before, T_before = 0.0, pixels, T_world_cam
        if self._before is not None and self._look.shutter > 0:
            shutter = self._look.shutter
            pixels_before, T_before = self._before[view]
        relative = np.linalg.inv(T_before) @ T_world_cam
        flow = _raster.camera_flow(
            depth,
            self._rays[view],
            np.ascontiguousarray(relative[:3, :3]),
            np.ascontiguousarray(relative[:3, 3]),
            self._lenses[view],
            shutter,
        )
        _exposure.expose(
            self._linear,
            triangle,
            self._bary,
            self.faces,
            pixels,
            pixels_before,
            flow,
            self._vignette[view],
            self._tone,
            gain,
            shutter,
            self._factor,
            image,
        )


def visible_joints(
    rendered: Rendered,
    faces: NDArray[np.int32],
    weight_frames: NDArray[np.int32],
    joint_range: NDArray[np.float64],
    inside: NDArray[np.bool_],
    box_range: NDArray[np.float64],
    near_joints: NDArray[np.bool_],
    max_depth_m: float = 0.25,
) -> NDArray[np.bool_]:
    """(2, 22) whether each joint is seen.

    A joint lies inside the body, so it is seen where the first surface on the ray to it is skin
    or cloth of the parts that meet at it, no more than ``max_depth_m`` before it. ``inside``:
    (2, 22) in the image; ``joint_range``: (2, 22) metres; ``box_range``: (2, 22) range of the
    first furniture; ``near_joints``: (22, frames) parts that meet at each joint.
    """
    hit = rendered.hit_face >= 0
    owner = weight_frames[faces[np.maximum(rendered.hit_face, 0), 0], 0]
    belongs = near_joints[np.arange(near_joints.shape[0])[None, :], owner]
    close = np.abs(joint_range - rendered.hit_range) < max_depth_m
    clear = box_range > np.minimum(rendered.hit_range, joint_range)
    # Nothing of the body on the ray: the joint pokes out (a bare toe), still seen.
    return inside & clear & np.where(hit, belongs & close, True)
