"""``--preview``: a contact sheet and an animation of what came out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from same_runtime.cli.draw_pose import draw_frame, with_legend
from same_runtime.recording import Recording
from same_runtime.recording.replay import ReplayedFrame

_SHEET_STRIPS: Final = 12
_SHEET_COLUMNS: Final = 2
_MOST_ANIMATED: Final = 100
_GAP: Final = 4


def preview_stride(recording: Recording) -> int:
    """Every how many frames of ``recording`` one is drawn."""
    return max(1, -(-recording.num_frames // _MOST_ANIMATED))


class Preview:
    """Draws some of a recording's frames; ``stride``: every how many that are added."""

    def __init__(self, recording: Recording, stride: int | None = None) -> None:
        assert recording.rig is not None
        self._rig = recording.rig
        self._stride = preview_stride(recording) if stride is None else stride
        self._count = 0
        self._strips: list[Image.Image] = []
        self._times_ns: list[int] = []

    def add(self, replayed: ReplayedFrame) -> None:
        """Draw this frame if it is one of those that are."""
        if self._count % self._stride == 0:
            self._strips.append(draw_frame(replayed, self._rig))
            self._times_ns.append(replayed.frame.timestamp_ns)
        self._count += 1

    def save(self, folder: Path) -> list[str]:
        """Write preview.png and preview.webp; the files' names, none where nothing was drawn."""
        if not self._strips:
            return []
        step = max(1, len(self._strips) // _SHEET_STRIPS)
        _save_sheet(self._strips[::step][:_SHEET_STRIPS], folder / "preview.png")
        span_ns = max(self._times_ns[-1] - self._times_ns[0], 1)
        frame_ms = span_ns / max(len(self._strips) - 1, 1) / 1e6
        _save_animation(self._strips, folder / "preview.webp", frame_ms)
        return ["preview.png", "preview.webp"]


def _save_sheet(strips: Sequence[Image.Image], path: Path) -> None:
    rows = -(-len(strips) // _SHEET_COLUMNS)
    width, height = strips[0].size
    sheet = Image.new("RGB", (_SHEET_COLUMNS * (width + _GAP), rows * (height + _GAP)))
    for index, strip in enumerate(strips):
        row, column = divmod(index, _SHEET_COLUMNS)
        sheet.paste(strip, (column * (width + _GAP), row * (height + _GAP)))
    with_legend(sheet).save(path, optimize=True)


def _save_animation(strips: Sequence[Image.Image], path: Path, frame_ms: float) -> None:
    """Write the strips as an animated WebP that loops."""
    frames = [with_legend(strip) for strip in strips]
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=max(1, round(frame_ms)),
        loop=0,
        quality=50,
        method=4,
    )
