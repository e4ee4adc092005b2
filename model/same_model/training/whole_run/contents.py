"""What the paths of a whole run hold: it goes on only with what it began with."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from same_engines.errors import InvalidInputError
from same_model.synth.motion.capture.joint_names import read_joint_map
from same_model.training.run_state import changed_contents, weights_digest
from same_model.training.whole_run.config import WholeRunConfig
from same_model.training.whole_run.plan import WholeRunPlan

CONTENTS = "contents"
"""Name of these digests among the settings in a run's folder."""


def plan_contents(config: WholeRunConfig, plan: WholeRunPlan) -> dict[str, str]:
    """A digest of what each path of ``config`` holds, by the setting's name: the split's clips and
    actions, the recordings that the clips make by name, the joints' names, the weights to start
    from.

    Wherever these lie, on this machine or another. Raises ``CheckpointError`` and ``DataError``.
    """
    split = plan.split
    listed = sorted((c.clip, c.split, c.action, c.performer, c.amc_fps) for c in split.clips)
    actions = {part: list(names) for part, names in split.procedural.items()}
    recordings = {
        step: sorted((job.split, job.name) for job in jobs) for step, (_, jobs) in plan.data.items()
    }
    return {
        "split_file": _digest([split.label, listed, actions]),
        "motion": _digest(recordings),
        "joint_map": _digest(dict(read_joint_map(config.joint_map)) if config.joint_map else None),
        "init": "" if config.init is None else weights_digest(config.init),
    }


def check_contents(out: Path, before: object, contents: Mapping[str, str]) -> None:
    """Raise ``InvalidInputError`` where ``contents`` are others than those that the run in ``out``
    began with, ``before``; of a run from before they were recorded nothing is known."""
    changed = changed_contents(before if isinstance(before, dict) else {}, contents)
    if changed:
        raise InvalidInputError(
            f"--out {out}: holds a run that began with another content of "
            f"{', '.join('--' + name.replace('_', '-') for name in changed)}; give what it began "
            "with, or another --out"
        )


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
