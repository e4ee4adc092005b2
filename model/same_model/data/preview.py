"""Pictures of a data set: contact sheets and short videos with the joints drawn in."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from same_engines.errors import DataError
from same_model.data.sequence import SequenceReader, open_sequence
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS

_SEEN, _HIDDEN = (80, 255, 80), (255, 90, 60)
_LEFT, _RIGHT, _MIDDLE = (90, 180, 255), (255, 190, 60), (230, 230, 230)
_LEGEND = (
    ("left", _LEFT, False),
    ("right", _RIGHT, False),
    ("middle", _MIDDLE, False),
    ("joint seen", _SEEN, True),
    ("hidden", _HIDDEN, True),
)
"""What, its colour, and whether a dot shows it."""
_LEGEND_WIDTH = 300


def draw_pair(sequence: SequenceReader, frame: int, width: int | None = None) -> Image.Image:
    """Both views of one frame side by side, skeleton drawn; seen joints green, hidden ones red."""
    pair = []
    camera = sequence.rig_true.left
    scale = (width or camera.width) / camera.width
    for view in (0, 1):
        image = Image.fromarray(sequence.images[frame, view]).convert("RGB")
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BILINEAR)
        draw = ImageDraw.Draw(image)
        points = (sequence.joints_2d[frame, view].astype(np.float64) + 0.5) * scale
        shown = _in_front(sequence, frame, view)
        for j, p in enumerate(JOINT_PARENTS):
            if p >= 0 and shown[j] and shown[p]:
                name = JOINT_NAMES[j]
                colour = _LEFT if "left" in name else _RIGHT if "right" in name else _MIDDLE
                draw.line([tuple(points[p]), tuple(points[j])], fill=colour, width=1)
        for j in range(len(JOINT_NAMES)):
            if shown[j]:
                x, y = points[j]
                colour = _SEEN if sequence.visible[frame, view, j] else _HIDDEN
                draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
        pair.append(image)
    out = Image.new("RGB", (pair[0].width * 2 + 2, pair[0].height))
    out.paste(pair[0], (0, 0))
    out.paste(pair[1], (pair[0].width + 2, 0))
    return out


def with_legend(picture: Image.Image) -> Image.Image:
    """``picture`` under a line that says what its colours mean."""
    sheet = Image.new("RGB", (max(picture.width, _LEGEND_WIDTH), picture.height + 18))
    sheet.paste(picture, (0, 18))
    draw, x = ImageDraw.Draw(sheet), 4
    for text, colour, is_dot in _LEGEND:
        if is_dot:
            draw.ellipse([x + 3, 6, x + 9, 12], fill=colour)
        else:
            draw.line([(x, 9), (x + 12, 9)], fill=colour, width=3)
        draw.text((x + 16, 3), text, fill=_MIDDLE)
        x += 24 + round(draw.textlength(text))
    return sheet


def _in_front(sequence: SequenceReader, frame: int, view: int) -> NDArray[np.bool_]:
    rig = sequence.rig_true
    camera = rig.cameras[view]
    T = sequence.T_world_device[frame, 0] @ camera.T_head_cam
    local = (sequence.joints_world[frame] - T[:3, 3]) @ T[:3, :3]
    written = np.abs(sequence.joints_2d[frame, view]).max(axis=-1) < 1e5
    return np.asarray(written & (np.arctan2(np.hypot(*local[:, :2].T), local[:, 2]) < 1.7))


def contact_sheet(
    sequences: list[Path], columns: int = 4, rows: int = 6, width: int = 200, seed: int = 0
) -> Image.Image:
    """Stereo pairs from all over a data set; the same seed picks the same frames."""
    if not sequences:
        raise DataError("contact sheet: no sequences")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(sequences))
    tiles = []
    for k in range(columns * rows):
        sequence = open_sequence(sequences[order[k % len(sequences)]])
        tile = draw_pair(sequence, int(rng.integers(sequence.frames)), width)
        label = f"{sequence.path.name} {sequence.meta.get('action', '')}"
        ImageDraw.Draw(tile).text((3, 1), label, fill=(255, 255, 0))
        tiles.append(tile)
    w, h = max(t.width for t in tiles) + 4, max(t.height for t in tiles) + 4
    sheet = Image.new("RGB", (w * columns, h * rows))
    for k, tile in enumerate(tiles):
        sheet.paste(tile, (k % columns * w, k // columns * h))
    return with_legend(sheet)


def write_video(
    sequence: SequenceReader, path: Path, seconds: float = 4.0, width: int = 320
) -> None:
    """A short animated WebP of both views with the joints drawn in, at a third of the rate."""
    stamps = sequence.timestamps_ns
    step_ns = float(np.median(np.diff(stamps))) if sequence.frames > 1 else 3.3e7
    step = max(1, round(1e8 / step_ns))
    count = min(sequence.frames, max(1, int(seconds * 1e9 / step_ns)))
    frames = [with_legend(draw_pair(sequence, i, width)) for i in range(0, count, step)]
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=round(step * step_ns / 1e6),
        loop=0,
        quality=60,
    )
