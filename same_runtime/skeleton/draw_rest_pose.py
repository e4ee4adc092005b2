"""Draws the T-pose and its axes.

Run: python -m same_runtime.skeleton.draw_rest_pose docs/skeleton.svg
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np

from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M

_WIDTH, _HEIGHT, _PIXELS_PER_METRE = 860, 780, 390.0
_AXIS_M: Final = 0.07
_COLOURS: Final = {"x": "#d62728", "y": "#2ca02c", "z": "#1f77b4"}
_MEANINGS: Final = {"x": "+x body right", "y": "+y up", "z": "+z backward"}
_VIEW: Final = np.array([(0.94, 0.0, -0.34), (-0.09, 0.96, -0.25)])
"""World to picture: from behind, a little from the right and above. Left is left."""


def rest_pose_svg() -> str:
    """The picture as SVG text: seen from behind, the body looks into the page."""
    joints = REST_OFFSETS_M.copy()
    for joint, parent in enumerate(JOINT_PARENTS[1:], start=1):
        joints[joint] += joints[parent]
    middle = 0.5 * (joints.min(axis=0) + joints.max(axis=0))

    def place(point: np.ndarray) -> tuple[float, float]:
        x, y = _PIXELS_PER_METRE * (_VIEW @ (point - middle))
        return _WIDTH / 2 + x, _HEIGHT / 2 - y

    def line(a: np.ndarray, b: np.ndarray, style: str) -> str:
        (x1, y1), (x2, y2) = place(a), place(b)
        return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for joint, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            style = 'stroke="#9aa0a6" stroke-width="5" stroke-linecap="round"'
            parts.append(line(joints[parent], joints[joint], style))
    for joint in joints:
        for axis, way in zip("xyz", np.eye(3), strict=True):
            style = f'stroke="{_COLOURS[axis]}" stroke-width="2"'
            parts.append(line(joint, joint + _AXIS_M * way, style))
    for name, joint in zip(JOINT_NAMES, joints, strict=True):
        x, y = place(joint)
        aside, below, anchor = _label_place(name)
        at = (x + aside, y + below)
        parts.append(
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="#202124">'
            f"{name}</text>"
        )
    for row, axis in enumerate("xyz"):
        parts.append(
            f'<text x="24" y="{36 + 20 * row}" font-size="15" fill="{_COLOURS[axis]}">'
            f"{_MEANINGS[axis]}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _label_place(name: str) -> tuple[int, int, str]:
    """Pixels right of and below its joint, and the anchor: clear of axes and of other names."""
    if name == "pelvis" or any(part in name for part in ("shoulder", "elbow", "wrist")):
        return 0, 20, "middle"
    below = 34 if "collar" in name else 24 if "foot" in name else 10
    return (10, below + 6, "start") if name.startswith("right") else (-8, below, "end")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m same_runtime.skeleton.draw_rest_pose FILE.svg")
    Path(sys.argv[1]).write_text(rest_pose_svg())
