"""The Kannala-Brandt camera: round trips, the wide edge, ray maps, bad calibrations."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from same_engines.errors import InvalidInputError
from same_runtime.camera import CameraRig, FisheyeCamera

WIDE = FisheyeCamera(
    640, 480, 231.0, 231.0, 324.0, 248.0, (0.03, -0.01, 0.002, -0.0001), np.eye(4), np.deg2rad(100)
)
GOOD = {
    "width": 64,
    "height": 48,
    "fx": 20.0,
    "fy": 20.0,
    "cx": 32.0,
    "cy": 24.0,
    "k": (0, 0, 0, 0),
    "T_head_cam": np.eye(4),
}


@given(
    theta=st.floats(0.0, np.deg2rad(99.9)),
    phi=st.floats(-np.pi, np.pi),
    r=st.floats(0.05, 10.0),
)
def test_round_trip_past_the_image_plane(theta: float, phi: float, r: float) -> None:
    point = r * np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
    pixel, _ = WIDE.project(point)
    ray, valid = WIDE.unproject(pixel)
    assert valid
    np.testing.assert_allclose(ray, point / r, atol=1e-6)


@given(u=st.floats(0, 639), v=st.floats(0, 479))
def test_pixel_round_trip(u: float, v: float) -> None:
    ray, valid = WIDE.unproject(np.array([u, v]))
    pixel, visible = WIDE.project(2.0 * ray)
    if valid:
        assert visible
        np.testing.assert_allclose(pixel, (u, v), atol=1e-6)


def test_projection_is_opencvs() -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    random = np.random.default_rng(0)
    points = random.normal(size=(50, 3)) + (0, 0, 2.0)
    K = np.array([[231.0, 0, 324], [0, 231.0, 248], [0, 0, 1]])
    expected, _ = cv2.fisheye.projectPoints(
        points[:, None], np.zeros(3), np.zeros(3), K, np.array(WIDE.k)
    )
    np.testing.assert_allclose(WIDE.project(points)[0], expected[:, 0], atol=1e-9)


def test_validity_behind_and_outside() -> None:
    behind = np.array([[0.1, 0.0, -1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [2.0, 0.0, 1.0]])
    np.testing.assert_array_equal(WIDE.project(behind)[1], [False, False, True, True])


def test_ray_map_points_back_at_what_the_pixel_sees(small_rig: CameraRig) -> None:
    rays, origins, axes = small_rig.ray_map(32, 24)
    np.testing.assert_array_equal(origins[0], 0)
    np.testing.assert_allclose(axes[0], (0, 0, 1), atol=1e-6)
    for view, camera in enumerate(small_rig.cameras):
        T_cam_cam_left = np.linalg.inv(camera.T_head_cam) @ small_rig.left.T_head_cam
        point = origins[view] + 1.7 * rays[view, :, 12, 20]
        pixel, valid = camera.project(T_cam_cam_left[:3, :3] @ point + T_cam_cam_left[:3, 3])
        assert valid
        np.testing.assert_allclose(pixel, (20.5 * 4 - 0.5, 12.5 * 4 - 0.5), atol=1e-3)


def test_zoomed_rays_are_those_of_the_places_that_pixels_show(small_rig: CameraRig) -> None:
    rays, _, _ = small_rig.ray_map(32, 24, column_zoom=2.0, row_zoom=1.5)
    place = (np.arange(32) + 0.5) / 16 - 1
    columns = ((place / 2 + place**3 / 2 + 1) * 64) - 0.5
    place = (np.arange(24) + 0.5) / 12 - 1
    rows = ((place / 1.5 + place**3 / 3 + 1) * 48) - 0.5
    expected, seen = small_rig.left.unproject(np.stack(np.meshgrid(columns, rows), axis=-1))
    np.testing.assert_allclose(np.moveaxis(rays[0], 0, -1)[seen], expected[seen], atol=1e-6)
    for name in ("column_zoom", "row_zoom"):
        with pytest.raises(InvalidInputError, match=name):
            small_rig.ray_map(32, 24, **{name: 0.5})


def test_z_rays_have_unit_depth_in_their_own_camera(small_rig: CameraRig) -> None:
    rays, _, axes = small_rig.ray_map(32, 24, "z")
    depth = np.einsum("vchw,vc->vhw", rays, axes)
    np.testing.assert_allclose(depth[np.abs(rays).max(axis=1) > 0], 1.0, atol=1e-4)
    with pytest.raises(InvalidInputError, match="depth_mode"):
        small_rig.ray_map(32, 24, "disparity")


def test_rig_survives_its_dictionary(small_rig: CameraRig) -> None:
    again = CameraRig.from_dict(small_rig.to_dict())
    assert again.to_dict() == small_rig.to_dict()


def test_rigs_compare_by_what_they_say(small_rig: CameraRig) -> None:
    again = CameraRig.from_dict(small_rig.to_dict())
    assert small_rig == again and hash(small_rig) == hash(again)
    moved = replace(again.left, T_head_cam=again.right.T_head_cam)
    assert small_rig != replace(again, left=moved) and again.left != replace(again.left, fx=99.0)
    assert small_rig != "a rig" and again.left != 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": float("nan")}, "finite"),
        ({"fx": -1.0}, "positive"),
        ({"k": (0, 0, 0)}, "k1..k4"),
        ({"k": (-5.0, 0, 0, 0)}, "increase"),
        ({"max_incidence": 157.0}, "radians"),
        ({"T_head_cam": np.eye(3)}, r"\(4, 4\)"),
        ({"T_head_cam": np.diag([1.0, 1, -1, 1])}, "rigid"),
        ({"T_head_cam": 2 * np.eye(4)}, "rigid"),
    ],
)
def test_bad_calibrations_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        FisheyeCamera(**{**GOOD, **change})


def test_the_error_of_a_lens_says_where_it_turns() -> None:
    with pytest.raises(InvalidInputError, match=r"turns at 0\.8165 rad \(46\.8 degrees\)"):
        FisheyeCamera(64, 48, 20.0, 20.0, 32.0, 24.0, (-0.5, 0, 0, 0), np.eye(4))
    FisheyeCamera(64, 48, 20.0, 20.0, 32.0, 24.0, (-0.5, 0, 0, 0), np.eye(4), 0.816)


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4), st.floats(0.1, 3.1))
def test_a_lens_is_accepted_where_its_radius_increases(k: list[float], edge: float) -> None:
    theta = np.linspace(0.0, edge, 2000)
    t2 = theta**2
    slope = 1 + t2 * (3 * k[0] + t2 * (5 * k[1] + t2 * (7 * k[2] + t2 * 9 * k[3])))
    if abs(slope.min()) < 1e-3:
        return  # too near to call on this grid
    try:
        FisheyeCamera(64, 48, 20.0, 20.0, 32.0, 24.0, tuple(k), np.eye(4), edge)
        accepted = True
    except InvalidInputError:
        accepted = False
    assert accepted == (slope.min() > 0)


@pytest.mark.parametrize("field", ["width", "height", "fx", "cy", "max_incidence"])
@pytest.mark.parametrize("value", ["64", True, 10**400, [64], None])
def test_other_types_than_numbers_are_named(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=field):
        FisheyeCamera(**{**GOOD, field: value})


def test_bad_rig_dictionaries_are_named(small_rig: CameraRig) -> None:
    content = small_rig.to_dict()
    with pytest.raises(InvalidInputError, match="expected cameras"):
        CameraRig.from_dict({"left": content["left"]})
    content["left"]["colour"] = "red"
    with pytest.raises(InvalidInputError, match="colour"):
        CameraRig.from_dict(content)


def test_a_coarsely_rounded_rotation_is_inverted_not_transposed(small_rig: CameraRig) -> None:
    left = replace(small_rig.left, T_head_cam=np.round(small_rig.left.T_head_cam, 5))
    rig = CameraRig(left, small_rig.right)
    expected = np.linalg.inv(left.T_head_cam) @ rig.right.T_head_cam
    np.testing.assert_allclose(rig.T_cam_left_cam_right, expected, atol=1e-14)


@pytest.mark.parametrize("size", [(0, 24), (32, 4097), (32, 1.5)])
def test_other_sizes_of_a_ray_map_are_named(small_rig: CameraRig, size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match="width|height"):
        small_rig.ray_map(*size)


@pytest.mark.parametrize("rows", [np.zeros((4, 4)), 1.0, "text", [["a", "b"]]])
def test_other_shapes_of_points_and_pixels_are_named(rows: Any) -> None:
    with pytest.raises(InvalidInputError, match="points_cam"):
        WIDE.project(rows)
    with pytest.raises(InvalidInputError, match="pixels"):
        WIDE.unproject(rows)


def test_a_rig_has_one_image_size(small_rig: CameraRig) -> None:
    with pytest.raises(InvalidInputError, match="one image size, got 128x96 and 64x96"):
        CameraRig(small_rig.left, replace(small_rig.right, width=64))
