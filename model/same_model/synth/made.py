"""What of a data set is there already, and of what it was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from same_engines.errors import DataError
from same_model.data.export_mcap import export_mcap
from same_model.data.sequence import open_sequence
from same_model.synth.config import SynthConfig
from same_model.synth.motion.clip import Motion, MotionReport, clip_digest
from same_model.synth.motion.splits import PARTS, SplitFile
from same_model.synth.plan import Job, job_motions

MadeOf: TypeAlias = Mapping[str, Any]
"""What decides a recording besides the settings, in JSON's types; its ``meta`` keeps it."""


@dataclass(frozen=True)
class JobResult:
    """What one job did."""

    name: str
    made: int
    """Stereo frames rendered."""
    found: int
    """Stereo frames that were there already."""
    report: MotionReport
    """What was dropped; or why there is nothing, for a clip that cannot be used."""


def open_job(
    config: SynthConfig, job: Job, out: Path, mcap: bool
) -> tuple[JobResult, list[tuple[Motion, Path]], MadeOf]:
    """What is there of a job, the motion of each recording that is not, with its folder, and of
    what they are to be made.

    Raises ``DataError`` for a sequence made with other settings or of something else, and for one
    that is there as another part of the data set.
    """
    found, missing = 0, []
    try:
        motions, report = job_motions(config, job)
        made_of = _made_of(job)
    except DataError as error:
        return JobResult(job.name, 0, 0, MotionReport(job.name, 0, fault=str(error))), [], {}
    for motion in motions:
        path = out / job.split / motion.name
        _refuse_as_another_part(path, out, job.split)
        if not path.exists():
            missing.append((motion, path))
            continue
        _refuse_made_otherwise(path, config, made_of)
        found += finish_recording(path, mcap)
    return JobResult(job.name, 0, found, report), missing, made_of


def finish_recording(path: Path, mcap: bool) -> int:
    """Write the MCAP of a recording if it is wanted and not there; returns its frames."""
    target = path.with_name(path.name + ".mcap")
    if mcap and not target.exists():
        export_mcap(path, target)
    return open_sequence(path).frames


def refuse_moved_clips(out: Path, split: SplitFile) -> None:
    """Raise ``DataError`` for a recording in ``out`` that was made of a clip as another part than
    ``split`` has it in now: whoever reads ``out`` would train on what is held out."""
    listed = {clip.clip: clip.split for clip in (*split.clips, *split.excluded)}
    for part in PARTS:
        for meta in sorted((out / part).glob("*/meta.json")):
            there = meta.parent
            now = listed.get(there.name.rpartition("_v")[0], part)
            if now != part and open_sequence(there).meta.get("made_of"):
                raise _of_another_part(there, part, now)


def _of_another_part(there: Path, part: str, now: str) -> DataError:
    return DataError(
        f"{there}: was made for {part}, where the split now says {now}; name another --out, or "
        "remove it"
    )


def _made_of(job: Job) -> MadeOf:
    other = job.upper_body
    return {
        "clip": _clip(job),
        "performer": job.performer,
        "action": job.action,
        "credit": job.credit,
        "joint map": dict(job.joint_map),
        "upper body": other and {"performer": other.performer, "clip": _clip(other)},
    }


def _clip(job: Job) -> str | None:
    """What identifies the motion of a job: the content of its clip, and its rate where it is an
    AMC, which does not say; None if it is procedural."""
    if job.clip is None:
        return None
    is_amc = ".amc" in job.clip.name.lower()
    return clip_digest(job.clip) + (f" at {job.amc_fps:g} fps" if is_amc else "")


def _refuse_as_another_part(path: Path, out: Path, part: str) -> None:
    for other in PARTS:
        there = out / other / path.name
        if other != part and there.exists():
            raise _of_another_part(there, other, part)


def _refuse_made_otherwise(path: Path, config: SynthConfig, made_of: MadeOf) -> None:
    meta = open_sequence(path).meta
    if meta.get("config_digest") != config.digest:
        raise DataError(f"{path}: made with other settings; use the same ones, or another --out")
    before = meta.get(
        "made_of", made_of
    )  # recordings from before it was kept are taken as they are
    changed = [
        name
        for name in made_of
        if not isinstance(before, dict) or before.get(name) != made_of[name]
    ]
    if changed:
        raise DataError(
            f"{path}: was made with another {', '.join(changed)}; name another --out, or remove it"
        )
