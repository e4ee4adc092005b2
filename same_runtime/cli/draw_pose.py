"""Drawing of a pose: camera images with projected joints beside a third-person view."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from same_runtime.camera import CameraRig, FisheyeCamera
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.pose import PoseStatus
from same_runtime.recording.replay import ReplayedFrame

PANEL_WIDTH, PANEL_HEIGHT = 320, 240
_LEFT, _RIGHT, _MIDDLE, _TRUTH = "#4da3ff", "#ff9e4d", "#f2f2f2", "#39d98a"
_BACKGROUND, _GRID, _TEXT = "#16181d", "#343a46", "#c9d1d9"
_STATUS = {PoseStatus.VALID: _TRUTH, PoseStatus.LIMITED: "#ffd166", PoseStatus.INVALID: "#ff5c5c"}
_PIXELS_PER_METRE = 120.0
_LEGEND_HEIGHT = 20
_LEGEND = (
    ("estimate, left side", _LEFT, 4),
    ("right side", _RIGHT, 4),
    ("middle", _MIDDLE, 4),
    ("true pose", _TRUTH, 1),
    ("status VALID", _STATUS[PoseStatus.VALID], 8),
    ("LIMITED", _STATUS[PoseStatus.LIMITED], 8),
    ("INVALID", _STATUS[PoseStatus.INVALID], 8),
)
"""What, its colour, and the width of its stroke."""


def _colour(joint: int) -> str:
    name = JOINT_NAMES[joint]
    return _LEFT if name.startswith("left") else _RIGHT if name.startswith("right") else _MIDDLE


def draw_frame(replayed: ReplayedFrame, rig: CameraRig) -> Image.Image:
    """Three panels side by side: both cameras with the joints, and a third-person view.

    ``with_legend`` says what the colours mean.
    """
    frame, pose = replayed.frame, replayed.pose
    strip = Image.new("RGB", (3 * PANEL_WIDTH, PANEL_HEIGHT), _BACKGROUND)
    T_cam_left_world = np.linalg.inv(pose.T_world_cam_left) if pose.latency_ns else np.eye(4)
    truth_cam_left = (
        None
        if replayed.truth_world is None
        else replayed.truth_world @ T_cam_left_world[:3, :3].T + T_cam_left_world[:3, 3]
    )
    placements = (np.eye(4), rig.T_cam_left_cam_right)
    for index, (image, camera, T_cam_left_cam) in enumerate(
        zip((frame.left, frame.right), rig.cameras, placements, strict=True)
    ):
        strip.paste(
            _camera_panel(image, camera, T_cam_left_cam, pose.joints_cam_left, truth_cam_left),
            (index * PANEL_WIDTH, 0),
        )
    strip.paste(
        _third_person_panel(pose.joints_world, replayed.truth_world, pose.T_world_cam_left),
        (2 * PANEL_WIDTH, 0),
    )
    draw = ImageDraw.Draw(strip)
    label = f"{pose.timestamp_ns / 1e9:.2f} s  {pose.status.value}"
    if pose.reason is not None:
        label += f" {pose.reason.name}"
    draw.text((2 * PANEL_WIDTH + 8, 6), label, fill=_STATUS[pose.status])
    if replayed.truth_world is not None:
        error_mm = 1e3 * np.linalg.norm(pose.joints_world - replayed.truth_world, axis=1).mean()
        draw.text((2 * PANEL_WIDTH + 8, 20), f"MPJPE {error_mm:.0f} mm", fill=_TRUTH)
    return strip


def with_legend(picture: Image.Image) -> Image.Image:
    """``picture`` under a line that says what its colours and strokes mean."""
    sheet = Image.new("RGB", (picture.width, picture.height + _LEGEND_HEIGHT), _BACKGROUND)
    sheet.paste(picture, (0, _LEGEND_HEIGHT))
    draw = ImageDraw.Draw(sheet)
    x = 8
    for text, colour, width in _LEGEND:
        draw.line([(x, _LEGEND_HEIGHT // 2), (x + 18, _LEGEND_HEIGHT // 2)], colour, width)
        draw.text((x + 24, 4), text, fill=_TEXT)
        x += 24 + round(draw.textlength(text)) + 16
    return sheet


def _camera_panel(
    image: NDArray[np.uint8] | None,
    camera: FisheyeCamera,
    T_cam_left_cam: NDArray[np.float64],
    joints_cam_left: NDArray[np.float64],
    truth_cam_left: NDArray[np.float64] | None,
) -> Image.Image:
    panel = Image.new("RGB", (PANEL_WIDTH, PANEL_HEIGHT), "black")
    if image is not None:
        panel.paste(Image.fromarray(image).convert("RGB").resize(panel.size), (0, 0))
    draw = ImageDraw.Draw(panel)
    if image is None:
        draw.text((8, 6), "no image", fill=_STATUS[PoseStatus.INVALID])
    T_cam_cam_left = np.linalg.inv(T_cam_left_cam)
    scale = (PANEL_WIDTH / camera.width, PANEL_HEIGHT / camera.height)
    for joints, truth in ((truth_cam_left, True), (joints_cam_left, False)):
        if joints is None or not joints.any():
            continue
        pixels, valid = camera.project(joints @ T_cam_cam_left[:3, :3].T + T_cam_cam_left[:3, 3])
        _draw_skeleton(draw, (pixels + 0.5) * scale - 0.5, valid, truth)
    return panel


def _third_person_panel(
    joints_world: NDArray[np.float64],
    truth_world: NDArray[np.float64] | None,
    T_world_cam_left: NDArray[np.float64],
) -> Image.Image:
    """Orthographic view from the front and a little above; the wearer looks at the viewer."""
    panel = Image.new("RGB", (PANEL_WIDTH, PANEL_HEIGHT), _BACKGROUND)
    draw = ImageDraw.Draw(panel)
    anchor = joints_world if joints_world.any() else truth_world
    if anchor is None:
        return panel
    right = T_world_cam_left[:3, 0] * (1.0, 0.0, 1.0)
    yaw = np.arctan2(right[2], right[0]) + np.deg2rad(35.0)
    pitch = np.deg2rad(12.0)
    across = -np.array([np.cos(yaw), 0.0, np.sin(yaw)])
    ahead = np.cross(across, (0.0, 1.0, 0.0))
    up = np.cos(pitch) * np.array([0.0, 1.0, 0.0]) + np.sin(pitch) * ahead
    centre = np.array([anchor[0, 0], 0.9, anchor[0, 2]])

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        offset = points - centre
        x = PANEL_WIDTH / 2 + _PIXELS_PER_METRE * (offset @ across)
        y = PANEL_HEIGHT / 2 - _PIXELS_PER_METRE * (offset @ up)
        return np.stack([x, y], axis=-1)

    for step in np.linspace(-1.0, 1.0, 5):
        for ends in (((step, -1), (step, 1)), ((-1, step), (1, step))):
            floor = np.array([[centre[0] + x, 0.0, centre[2] + z] for x, z in ends])
            draw.line([tuple(point) for point in place(floor)], fill=_GRID)
    visible = np.ones(len(JOINT_NAMES), bool)
    if truth_world is not None:
        _draw_skeleton(draw, place(truth_world), visible, True)
    if joints_world.any():
        _draw_skeleton(draw, place(joints_world), visible, False)
    return panel


def _draw_skeleton(
    draw: ImageDraw.ImageDraw,
    pixels: NDArray[np.float64],
    valid: NDArray[np.bool_],
    truth: bool,
) -> None:
    for joint, parent in enumerate(JOINT_PARENTS):
        colour = _TRUTH if truth else _colour(joint)
        if parent >= 0 and valid[joint] and valid[parent]:
            ends = [tuple(pixels[parent]), tuple(pixels[joint])]
            draw.line(ends, fill=colour, width=1 if truth else 3)
        if valid[joint] and not truth:
            x, y = pixels[joint]
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
