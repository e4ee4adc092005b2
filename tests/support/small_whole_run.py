"""Settings of a whole run that takes seconds where a core is free."""

import json
from pathlib import Path
from typing import Any

from same_model.synth.config import SynthConfig
from same_model.training.whole_run.config import StageBudget, WholeRunConfig

SMALL: dict[str, Any] = {"width": 96, "height": 72, "procedural": 1, "max_seconds": 1.5}


def write_small_split(folder: Path) -> Path:
    """A split file of four procedural actions."""
    procedural = {
        "train": ["sit", "reach"],
        "validation": ["lean"],
        "protocol1": ["squat"],
    }
    content = {"name": "small", "version": 1, "confounds": [], "clips": [], "excluded": []}
    path = folder / "small.json"
    path.write_text(json.dumps({**content, "procedural": procedural}))
    return path


def small_run(out: Path, split_file: Path, **changes: Any) -> WholeRunConfig:
    """A whole run of the preset ``tiny`` in ``out``."""
    given: dict[str, Any] = {
        "split_file": split_file,
        "preset": "tiny",
        "column_zoom": 1.5,
        "row_zoom": 1.25,
        "images": SynthConfig(**SMALL, restyle=0.5, seed=1),
        "motion_data": SynthConfig(**{**SMALL, "width": 16, "height": 16}, render=False, seed=2),
        "fresh_images": SynthConfig(**SMALL, restyle=0.5, seed=4),
        "varied_images": SynthConfig(**SMALL, restyle=0.5, fps=10.0, seed=5),
        "headset_rate": SynthConfig(**SMALL, fps=90.0, seed=3),
        "test": SynthConfig(**SMALL),
        "visual": StageBudget(6, 4),
        "inertial": StageBudget(6, 2),
        "fusion": StageBudget(6, 4),
        "end_to_end": StageBudget(6, 4),
        "temporal": StageBudget(6, 4),
        "versions": 2,
        "save_every": 2,
        "workers": 1,
        "device": "cpu",
        "threads": 1,
    }
    return WholeRunConfig(out, **{**given, **changes})


def as_options(config: WholeRunConfig) -> list[str]:
    """``config`` as options of same-train all."""
    options: list[str] = []
    defaults = WholeRunConfig(config.out).shaping()
    for name, value in config.shaping().items():
        if value == defaults[name]:
            continue
        part, _, last = name.replace("_", "-").rpartition(".")
        if isinstance(value, bool):  # the one flag that there is changes the default
            options.append(f"--{part}.{last if value else 'no-' + last}")
        else:
            given = config.split_file if name == "split_file" else value
            options += [f"--{name.replace('_', '-')}", str(given)]
    options += ["--workers", str(config.workers), "--device", config.device, "--threads", "1"]
    return [*options, "--out", str(config.out), "--until", config.until]
