"""A split file of one's own."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_own_split(folder: Path, parts: Mapping[str, str], left_out: tuple[str, ...] = ()) -> Path:
    """A split file of the clips of a source ``ours``: clip to its part, and those left out."""
    clips = [
        {"clip": clip, "split": part, "source": "ours", "performer": clip, "action": clip}
        for clip, part in parts.items()
    ]
    content = {
        "name": "own",
        "version": 1,
        "confounds": [],
        "sources": {"ours": "ours, CC0"},
        "clips": clips,
        "excluded": [{"clip": clip, "reason": "the hips are lost"} for clip in left_out],
        "procedural": {},
    }
    path = folder / "own.json"
    path.write_text(json.dumps(content))
    return path
