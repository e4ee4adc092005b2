"""Which recordings a data set is made of: clips and procedural actions, performers, stretches."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import DataError
from same_engines.files.folder_tree import files_below
from same_model.synth.body.body import load_body_model, make_body
from same_model.synth.config import SynthConfig
from same_model.synth.motion import procedural
from same_model.synth.motion.clip import Motion, MotionReport, load_clip
from same_model.synth.motion.restyle import restyled
from same_model.synth.motion.splice import spliced
from same_model.synth.motion.splits import (
    AMC_FPS,
    SPLITS,
    WITHHELD,
    SplitClip,
    SplitFile,
    load_split,
)

UNSTATED = "a clip whose licence nobody stated: find it out before you use or share what it made"
"""Credit of clips that neither the split nor the user credits."""
_STATURES_M = (1.45, 2.0)
_STATURE_M_PER_UNIT = -0.12
_PROCEDURAL_CREDIT = "procedural, Apache-2.0"
_NON_COMMERCIAL = re.compile(r"non.?commercial|\bnc\b", re.IGNORECASE)
_NOBODY_ELSES = re.compile(r"\d{2,3}_\d{2}")
"""Clips that are known by their names alone: subject and take of the CMU database."""
ENDINGS = (".bvh", ".bvh.xz", ".amc", ".amc.xz")
"""How the names of clips end."""


@dataclass(frozen=True)
class Job:
    """One clip or procedural action, in one variant."""

    split: str
    split_label: str
    action: str
    performer: str
    variant: int
    clip: Path | None
    """None: procedural."""
    credit: str = _PROCEDURAL_CREDIT
    """Whose motion it is and under which licence."""
    joint_map: Mapping[str, str] = field(default_factory=dict)
    """Our joint names to the clip's, for skeletons that no name table knows."""
    amc_fps: float = AMC_FPS
    """Frames a second of the clip if it is an AMC, which does not say."""
    upper_body: "Job | None" = None
    """The job whose clip's upper body is worn; None: the clip's own."""

    @property
    def varied(self) -> bool:
        """Whether bodies, sensors and styles vary more widely than the protocols', which stay."""
        return self.split in ("train", WITHHELD)

    @property
    def clip_name(self) -> str | None:
        """File name without folder and endings; None: procedural."""
        return _stem(self.clip) if self.clip else None

    @property
    def name(self) -> str:
        return f"{self.clip_name or f'{self.performer}_{self.action}'}_v{self.variant}"


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


@dataclass(frozen=True)
class UnlistedClips:
    """What nothing but the user says of clips that no split lists."""

    credit: str = ""
    """Whose they are, and their licence."""
    joint_map: Mapping[str, str] = field(default_factory=dict)
    """Our joint names to the clips', for skeletons that no name table knows; of listed ones too."""
    amc_fps: float = AMC_FPS
    """Frames a second of those that are AMC."""


def plan_jobs(
    config: SynthConfig,
    motion_dirs: Sequence[Path] = (),
    wanted_splits: tuple[str, ...] = SPLITS,
    wanted_clips: tuple[str, ...] = (),
    split: SplitFile | None = None,
    unlisted: UnlistedClips | None = None,
) -> list[Job]:
    """The jobs of a data set.

    ``motion_dirs``: folders of BVH and AMC clips, searched with their subfolders; none for
    procedural motion alone. ``wanted_clips``: only clips of these names or patterns (also ones
    that no split lists, as training data); empty for all of the split. Raises ``DataError`` for an
    absent folder or one without clips, for an absent clip, and for clips that are named without a
    folder.
    """
    split, unlisted = split or load_split(), unlisted or UnlistedClips()
    if wanted_clips and not motion_dirs:
        raise DataError(f"clips: {', '.join(wanted_clips)} named, but no folder to find them in")
    jobs: list[Job] = []
    if motion_dirs:
        for clip, path in find_clips(motion_dirs, wanted_clips, split, unlisted.amc_fps):
            if clip.split in wanted_splits:
                whose = split.sources.get(clip.source) or unlisted.credit or UNSTATED
                jobs += [
                    Job(
                        split=clip.split,
                        split_label=split.label,
                        action=clip.action,
                        performer=f"{clip.performer}-{v}",
                        variant=v,
                        clip=path,
                        credit=whose,
                        joint_map=unlisted.joint_map,
                        amc_fps=clip.amc_fps,
                    )
                    for v in range(config.variants)
                ]
    jobs = _with_other_upper_bodies(config, jobs)
    if not wanted_clips:
        for where in wanted_splits:
            for action in split.procedural.get(where, ()):
                jobs += [
                    Job(where, split.label, action, f"proc-{where}-{v}", v, None)
                    for v in range(config.procedural)
                ]
    if not jobs:
        raise DataError("nothing to make: no clip of the wanted splits, and no procedural motion")
    return jobs


def _with_other_upper_bodies(config: SynthConfig, jobs: list[Job]) -> list[Job]:
    """Some training jobs with the upper body of another clip; never one of another split."""
    givers = {job.clip: job for job in jobs if job.split == "train"}
    out = []
    for job in jobs:
        rng = seeded(config.seed, "splice", job.name)
        if job.split == "train" and len(givers) > 1 and rng.random() < config.splice:
            others = [other for clip, other in givers.items() if clip != job.clip]
            other = others[int(rng.integers(len(others)))]
            whose = dict.fromkeys((job.credit, other.credit))
            job = replace(job, upper_body=other, credit="; and ".join(whose))
        out.append(job)
    return out


def licence_warnings(jobs: Sequence[Job]) -> list[str]:
    """What somebody must know before using what ``jobs`` make, a sentence each."""
    named = {
        "licence not stated (say it by --credit)": {j.name for j in jobs if UNSTATED in j.credit},
        "not for commercial use, by its credit": {
            j.name for j in jobs if _NON_COMMERCIAL.search(j.credit)
        },
    }
    return [f"{what}: {some_names(sorted(names))}" for what, names in named.items() if names]


def left_to_others(
    motion_dirs: Sequence[Path], wanted: tuple[str, ...], splits: Sequence[str], split: SplitFile
) -> list[str]:
    """A sentence about those of the clips asked for by name that are none of ``splits``' own; no
    sentence without any."""
    named = find_clips(motion_dirs, wanted, split) if wanted else []
    others = [f"{clip.clip} ({clip.split})" for clip, _ in named if clip.split not in splits]
    return [f"not made, as the split says: {some_names(others)}"] if others else []


def some_names(names: Sequence[str], at_most: int = 8) -> str:
    """The first of ``names``, and how many more there are."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def find_clips(
    motion_dirs: Sequence[Path],
    wanted: tuple[str, ...],
    split: SplitFile,
    amc_fps: float = AMC_FPS,
) -> list[tuple[SplitClip, Path]]:
    """The clips to make and their files, by name; ``amc_fps`` is of those that no split lists.

    A clip is what the split says of its name where it lies in a folder of its source's name, where
    nobody else's clip would have that name, and anywhere if the split is the user's own; any other
    is the user's own. Raises ``DataError`` for what ``plan_jobs`` does, and where a name that the
    split keeps out of training would come into it as the user's own.
    """
    folders = ", ".join(str(folder) for folder in motion_dirs)
    found = _clips_below(motion_dirs)
    absent = [w for w in wanted if not any(fnmatch(name, w) for name in found)]
    if absent:
        raise DataError(f"{folders}: no clip {', '.join(absent)}")
    listed = {c.clip: c for c in (*split.clips, *split.excluded)}
    chosen: list[tuple[SplitClip, Path]] = []
    elsewhere: list[SplitClip] = []
    for name, paths in sorted(found.items()):
        if wanted and not any(fnmatch(name, w) for w in wanted):
            continue
        clip = listed.get(name)
        meant = _meant(clip, paths, split) if clip else []
        if not clip or not meant:
            if not wanted:
                continue
            if clip and clip.split != "train":
                elsewhere.append(clip)
            clip, meant = SplitClip(name, "unlisted", "train", "", name, amc_fps), paths
        if len(meant) > 1:
            raise DataError(f"two clips of one name: {meant[0]} and {meant[1]}")
        chosen.append((clip, meant[0]))
    if elsewhere:
        raise DataError(
            f"{folders}: the split {split.label} trains on no clip named "
            f"{some_names([c.clip for c in elsewhere])}: move them to folders named "
            f"{', '.join(sorted({c.source for c in elsewhere}))}, or rename them if they are others"
        )
    if not chosen:
        raise DataError(
            f"{folders}: no clip that the split {split.label} lists; name your own by --clips "
            "(or all by --clips '*'), or give a split of your own by --split-file"
        )
    return chosen


def _clips_below(motion_dirs: Sequence[Path]) -> dict[str, list[Path]]:
    """The files of each name. Raises ``DataError`` for an absent folder, or without any."""
    found: dict[str, list[Path]] = {}
    for folder in motion_dirs:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
        for path in files_below(folder):
            if path.name.lower().endswith(ENDINGS):
                found.setdefault(_stem(path), []).append(path)
    if not found:
        folders = ", ".join(str(folder) for folder in motion_dirs)
        raise DataError(f"{folders}: no .bvh or .amc files in it, packed with xz or not")
    return found


def _meant(clip: SplitClip, paths: list[Path], split: SplitFile) -> list[Path]:
    """Those of the files of its name that are ``clip``, however their folders are spelt."""
    named = [
        path
        for path in paths
        if clip.source in (*path.absolute().parent.parts, *path.resolve().parent.parts)
    ]
    anywhere = split.is_own or _NOBODY_ELSES.fullmatch(clip.clip)
    return named or (paths if anywhere else [])


def seeded(*parts: object) -> np.random.Generator:
    """A generator that ``parts`` decide."""
    return np.random.default_rng([zlib.crc32(str(p).encode()) for p in parts])


def performer_shape(seed: int, performer: str, wide: bool = False) -> NDArray[np.float64]:
    """Body shape coefficients (K,) of a performer; a performer never has two shapes.

    ``wide``: any stature from 1.45 to 2.0 m is as likely; else they crowd about 1.75 m.
    """
    rng = seeded(seed, "shape", performer)
    shape = rng.normal(0.0, 0.9, load_body_model().shape_size).clip(-1.7, 1.7)
    if wide:
        wanted = rng.uniform(*_STATURES_M)
        for _ in range(2):  # the first coefficient is stature, the others have a little of it
            shape[0] += (wanted - make_body(shape).stature_m) / _STATURE_M_PER_UNIT
    return shape


def job_motions(config: SynthConfig, job: Job) -> tuple[list[Motion], MotionReport]:
    """The usable stretches of a job's motion, at its source's rate, and what was dropped.

    Raises ``DataError`` for a clip that cannot be read or has another skeleton.
    """
    if job.clip is None:
        made = procedural.make_motion(seeded(config.seed, "motion", job.name), job.action)
        motions, clip = [made], made.name
        report = MotionReport(job.name, made.frames, made.frames, 1)
    else:
        motions, report = _captured(job)
        clip = _stem(job.clip)
    givers = _captured(job.upper_body)[0] if job.upper_body else []
    out = []
    for motion in motions:
        if givers:
            rng = seeded(config.seed, "upper body", job.name, motion.name)
            motion = spliced(rng, motion, givers[int(rng.integers(len(givers)))])
        if job.variant % 2:
            motion = motion.mirrored()
        if config.restyle > 0 and job.varied:
            motion = restyled(seeded(config.seed, "style", job.name), motion, config.restyle)
        name = job.name + motion.name.removeprefix(clip).removesuffix("~mirrored")
        out.append(_stretch(config, replace(motion, name=name)))
    report.dropped["over max_seconds"] = report.kept_frames - sum(m.frames for m in out)
    return out, report


def _captured(job: Job) -> tuple[list[Motion], MotionReport]:
    assert job.clip is not None
    return load_clip(job.clip, job.action, job.joint_map, job.amc_fps)


def _stretch(config: SynthConfig, motion: Motion) -> Motion:
    """``max_seconds`` of ``motion``: its beginning, or any part of it where so configured."""
    keep = min(motion.frames, int(config.max_seconds * motion.fps) + 1)
    skip = 0
    if config.scatter and keep < motion.frames:
        rng = seeded(config.seed, "stretch", motion.name)
        skip = int(rng.integers(0, motion.frames - keep + 1))
    first = motion.source_frames[0] + skip
    return replace(
        motion,
        hips_m=motion.hips_m[skip : skip + keep],
        rotations_xyzw=motion.rotations_xyzw[skip : skip + keep],
        source_frames=(first, first + keep),
    )
