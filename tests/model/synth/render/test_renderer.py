import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from same_model.data.noise import add_sensor_noise
from same_model.synth.motion import procedural
from same_model.synth.render import _raster, _shading
from same_model.synth.render.materials import SHIRT, SHOES, SKIN, TROUSERS
from same_model.synth.render.outfit import dress
from same_model.synth.render.renderer import ImageLook, Renderer, visible_joints
from same_model.synth.render.rig import random_rig
from same_model.synth.synth import near_joints, performer_shape, stage_take
from same_runtime.camera import CameraRig

WIDTH, HEIGHT = 160, 120


class Shot:
    """One rendered stereo pair, with what a ray tracer needs to check it."""

    def __init__(self, action: str, seed: int, look: ImageLook | None = None) -> None:
        rng = np.random.default_rng(seed)
        motion = procedural.make_motion(rng, action, 3.0)
        self.take = stage_take(rng, motion, performer_shape(seed, "tester"))
        self.rig: CameraRig = random_rig(rng, WIDTH, HEIGHT)
        look = look or ImageLook(shutter=0.0)
        self.renderer = Renderer(self.rig, self.take.mesh, self.take.place, look)
        self.frame = self.take.motion.frames // 2
        poses = np.tile(np.eye(4), (5, 1, 1))
        from scipy.spatial.transform import Rotation

        orientations = self.take.tracks.orientations_xyzw[:, self.frame]
        poses[:, :3, :3] = Rotation.from_quat(orientations).as_matrix()
        poses[:, :3, 3] = self.take.tracks.positions[:, self.frame]
        self.T_world_head = poses[0]
        self.matrices = np.concatenate([self.take.motion.matrices[self.frame], poses[1:, :3]])
        self.joints = self.take.motion.joints[self.frame]
        self.rendered = self.renderer.render(self.matrices, self.T_world_head, self.joints)

    def world(self) -> np.ndarray:
        mesh = self.take.mesh
        world, _ = _raster.pose_and_light(
            mesh.vertices.astype(np.float32),
            mesh.weight_frames,
            mesh.weights.astype(np.float32),
            self.matrices.astype(np.float32),
            self.renderer.faces,
            self.take.place.light,
            0.5,
            0.5,
        )
        return world

    def trace(self, view: int, directions_cam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Triangle and distance that embree finds along rays given in the camera's frame."""
        tracer = EmbreeScene()
        TriangleMesh(tracer, self.world()[self.renderer.faces].astype(np.float32))
        T = self.T_world_head @ self.rig.cameras[view].T_head_cam
        rays = (directions_cam @ T[:3, :3].T).astype(np.float32)
        origins = np.tile(T[:3, 3], (len(rays), 1)).astype(np.float32)
        hit = tracer.run(origins, rays, output=True)
        return hit["primID"], hit["tfar"]


@pytest.fixture(scope="module", params=[("squat", 1), ("reach", 2), ("sit", 5)])
def shot(request: pytest.FixtureRequest) -> Shot:
    return Shot(*request.param)


def test_body_mask_and_depth_agree_with_embree(shot: Shot) -> None:
    for view, camera in enumerate(shot.rig.cameras):
        pixels = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1)
        rays, usable = camera.unproject(pixels.astype(float))
        found, distance = shot.trace(view, rays[usable])
        triangle = shot.rendered.triangle[view][usable]
        depth = shot.rendered.depth[view][usable]
        in_front = triangle != -2  # furniture is not in the tracer's scene
        body, expected = (triangle >= 0)[in_front], (found >= 0)[in_front]
        assert (body != expected).mean() < 0.01  # outlines, at this size
        assert expected.mean() > 0.05
        both = in_front & (triangle >= 0) & (found >= 0)

        error = np.abs(depth[both] / distance[both] - 1)
        assert np.median(error) < 1e-4
        assert (error < 0.01).mean() > 0.97


def _geometry(shot: Shot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Camera-frame joints (2, 22, 3), inside (2, 22), range of the first furniture (2, 22)."""
    local, inside, box = [], [], []
    for camera in shot.rig.cameras:
        T = shot.T_world_head @ camera.T_head_cam
        points = (shot.joints - T[:3, 3]) @ T[:3, :3]
        local.append(points)
        inside.append(camera.project(points)[1])
        toward = (shot.joints - T[:3, 3]) / np.linalg.norm(points, axis=1)[:, None]
        box.append(
            [_shading.first_box(*T[:3, 3], *d, shot.take.place.boxes, np.inf)[0] for d in toward]
        )
    return np.array(local), np.array(inside), np.array(box)


def test_visibility_agrees_with_embree(shot: Shot) -> None:
    local, inside, box = _geometry(shot)
    distance = np.linalg.norm(local, axis=-1)
    mesh = shot.take.mesh
    near = near_joints(int(mesh.weight_frames.max()) + 1)
    faces = shot.renderer.faces
    ours = visible_joints(shot.rendered, faces, mesh.weight_frames, distance, inside, box, near)
    for view in (0, 1):
        found, tfar = shot.trace(view, local[view] / distance[view][:, None])
        owner = mesh.weight_frames[faces[np.maximum(found, 0), 0], 0]
        for j in np.flatnonzero(inside[view]):
            seen = found[j] < 0 or (near[j, owner[j]] and abs(tfar[j] - distance[view, j]) < 0.25)
            seen = seen and box[view, j] > min(tfar[j], distance[view, j])
            margin = abs(abs(tfar[j] - distance[view, j]) - 0.25)
            same_surface = found[j] == shot.rendered.hit_face[view, j]
            # A ray that grazes an edge may meet either neighbour.
            assert seen == ours[view, j] or margin < 0.005 or not same_surface
        shared = inside[view] & (found >= 0)
        agree = found[shared] == shot.rendered.hit_face[view][shared]
        assert agree.mean() > 0.9


def test_some_joints_are_seen_and_some_hidden() -> None:
    seen = []
    for action, seed in (("squat", 1), ("lean", 4)):
        shot = Shot(action, seed)
        local, inside, box = _geometry(shot)
        mesh = shot.take.mesh
        near = near_joints(int(mesh.weight_frames.max()) + 1)
        distance = np.linalg.norm(local, axis=-1)
        visible = visible_joints(
            shot.rendered, shot.renderer.faces, mesh.weight_frames, distance, inside, box, near
        )
        assert not (visible & ~inside).any()
        seen.append(visible[inside].mean())
    assert 0.1 < np.mean(seen) < 0.95


def test_a_box_before_the_body_hides_it(shot: Shot) -> None:
    local, inside, _ = _geometry(shot)
    distance = np.linalg.norm(local, axis=-1)
    mesh = shot.take.mesh
    near = near_joints(int(mesh.weight_frames.max()) + 1)
    hidden = visible_joints(
        shot.rendered,
        shot.renderer.faces,
        mesh.weight_frames,
        distance,
        inside,
        np.full(distance.shape, 0.01),
        near,
    )
    assert not hidden.any()


def test_room_depth_is_the_room(shot: Shot) -> None:
    camera = shot.rig.left
    T = shot.T_world_head @ camera.T_head_cam
    pixels = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1)
    rays, usable = camera.unproject(pixels.astype(float))
    background = usable & (shot.rendered.triangle[0] == -1)
    points = T[:3, 3] + shot.rendered.depth[0][background][:, None] * (
        rays[background] @ T[:3, :3].T
    )
    room = shot.take.place.room.reshape(3, 2)
    gap = np.minimum(np.abs(points - room[:, 0]), np.abs(points - room[:, 1])).min(axis=1)
    assert gap.max() < 1e-3
    assert (shot.rendered.depth[0][~usable] == 0).all()


def test_first_box_is_where_it_should_be() -> None:
    box = np.array([[0.0, 1.0, -3.0, 0.5, 0.5, 0.5, np.cos(0.3), np.sin(0.3), 10.0]])
    r, which, _ = _shading.first_box(0.0, 1.0, 0.0, 0.0, 0.0, -1.0, box, np.inf)
    assert which == 0 and r == pytest.approx(3 - 0.5 / np.cos(0.3), rel=1e-6)
    assert _shading.first_box(0.0, 1.0, 0.0, 0.0, 0.0, 1.0, box, np.inf)[1] == -1
    assert _shading.first_box(0.0, 1.0, 0.0, 0.0, 0.0, -1.0, box, 2.0)[1] == -1


def test_corners_are_dark_and_the_middle_is_not(shot: Shot) -> None:
    images = shot.rendered.images
    assert images.dtype == np.uint8 and images.shape == (2, HEIGHT, WIDTH)
    assert images[:, :6, :6].max() <= 12
    assert images[:, HEIGHT // 3 : HEIGHT // 2].std() > 3


def test_rendering_twice_gives_the_same_bytes() -> None:
    first, second = Shot("kneel", 9), Shot("kneel", 9)
    np.testing.assert_array_equal(first.rendered.images, second.rendered.images)


def test_motion_blurs_and_stillness_does_not() -> None:
    look = ImageLook(shutter=0.4)
    shot = Shot("squat", 3, look)
    still = shot.renderer.render(shot.matrices, shot.T_world_head, shot.joints).images
    np.testing.assert_array_equal(still, shot.rendered.images)
    turn = np.eye(4)
    turn[:3, :3] = [[np.cos(0.3), 0, np.sin(0.3)], [0, 1, 0], [-np.sin(0.3), 0, np.cos(0.3)]]
    moved = shot.T_world_head @ turn
    shot.renderer.render(shot.matrices, shot.T_world_head, shot.joints)
    blurred = shot.renderer.render(shot.matrices, moved, shot.joints).images.astype(float)
    shot.renderer.render(shot.matrices, moved, shot.joints)
    sharp = shot.renderer.render(shot.matrices, moved, shot.joints).images.astype(float)
    assert np.abs(np.diff(blurred, axis=2)).mean() < 0.8 * np.abs(np.diff(sharp, axis=2)).mean()


def test_clothes_cover_the_skin_they_should(rng: np.random.Generator) -> None:
    from same_model.synth.body.body import make_body

    for _ in range(5):
        mesh = dress(rng, make_body(np.zeros(12)))
        shown = mesh.face_materials[np.arange(len(mesh.faces)), (mesh.face_covers.mean(1) <= 0) * 1]
        for material in (SHIRT, TROUSERS, SHOES, SKIN):
            assert (shown == material).mean() > 0.02
        assert mesh.sole_thickness_m > 0


def test_sensor_noise_grows_with_light_and_is_unbiased(rng: np.random.Generator) -> None:
    flat = np.stack([np.full((200, 200), 30, np.uint8), np.full((200, 200), 200, np.uint8)])
    noisy = add_sensor_noise(flat, rng).astype(float)
    assert noisy[1].std() > noisy[0].std() > 1
    np.testing.assert_allclose(noisy.mean(axis=(1, 2)), (30, 200), atol=0.2)
    assert add_sensor_noise(flat, rng, 0.0, 0.0).tobytes() == flat.tobytes()
