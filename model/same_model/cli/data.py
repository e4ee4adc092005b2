"""The command ``same-data``: make, inspect, convert and look at data sets."""

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from same_engines.field_checks import check_ranges
from same_engines.processes import usable_processors
from same_model.synth.config import SynthConfig
from same_model.synth.motion.splits import AMC_FPS, FRAME_RATES
from same_runtime.cli.command import EXIT_USER_ERROR, Subcommand, run_subcommand
from same_runtime.cli.console import messages
from same_runtime.cli.output_places import check_file_place, make_folder

if TYPE_CHECKING:
    from same_model.synth.made import JobResult
    from same_model.synth.plan import Job


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=messages(),
        transient=True,
    )


@dataclass(frozen=True)
class Synth:
    """Make egocentric recordings from motion clips. Run it again to go on after a stop."""

    out: Path
    """Folder of the data set."""
    motion_dir: tuple[Path, ...] = ()
    """Folders of BVH or AMC clips, packed with xz or not, searched with their subfolders, where the
    split's clips lie in folders of their sources' names (CMU's, and those of a split file of your
    own, anywhere); without any only procedural motion is made."""
    clips: tuple[str, ...] = ()
    """Only these clips or patterns, such as 07_01 '13_*', also your own that no split lists (no
    procedural motion then)."""
    joint_map: Path | None = None
    """JSON file that names the joints of a skeleton of your own, such as {"left_hip": "ThighL"}."""
    amc_fps: float = AMC_FPS
    """Frames per second of AMC clips that no split lists: their files do not say."""
    credit: str = ""
    """Whose the clips are that no split lists, and their licence; goes into each recording."""
    split: Literal["train", "validation", "protocol1", "protocol2", "withheld", "all"] = "all"
    """Which split to make; `all` leaves out `withheld`, which shows protocol 2's actions."""
    split_file: Path | None = None
    """Another split than the latest: a file, or a shipped one such as `cmu-v1`."""
    workers: int = field(default_factory=usable_processors)
    """Processes."""
    cluster: str | None = None
    """Render on the machines of a Ray cluster instead, by its address (`HOST:PORT`, `auto`, or
    `local` for this machine): the same files; they need this package, but no common folder."""
    mcap: bool = False
    """Also write each recording as MCAP, for `same-track`."""
    config: Annotated[SynthConfig, tyro.conf.arg(name="")] = field(default_factory=SynthConfig)

    def __post_init__(self) -> None:
        check_ranges(self, workers=(1, 1024), amc_fps=FRAME_RATES)

    def run(self) -> int:
        from same_model.synth.made import refuse_moved_clips
        from same_model.synth.motion.capture.joint_names import read_joint_map
        from same_model.synth.motion.splits import SPLITS, load_split
        from same_model.synth.plan import (
            UnlistedClips,
            left_to_others,
            licence_warnings,
            plan_jobs,
            some_names,
        )
        from same_model.synth.synth import write_summary

        split = load_split(self.split_file)
        wanted = SPLITS if self.split == "all" else (self.split,)
        joint_map = read_joint_map(self.joint_map) if self.joint_map else {}
        unlisted = UnlistedClips(self.credit, joint_map, self.amc_fps)
        jobs = plan_jobs(self.config, self.motion_dir, wanted, self.clips, split, unlisted)
        refuse_moved_clips(self.out, split)
        for name in wanted:
            if clips := sorted({job.name for job in jobs if job.split == name}):
                print(f"{name}: {some_names(clips)}")
        others = left_to_others(self.motion_dir, self.clips, wanted, split)
        for warning in [*licence_warnings(jobs), *others]:
            print(f"same-data: {warning}", file=sys.stderr)
        made = found = 0
        reports = []
        begun = os.times()
        with _progress() as progress:
            task = progress.add_task("recordings", total=len(jobs), note="")
            for result in self._results(jobs):
                made, found = made + result.made, found + result.found
                reports.append(result.report)
                progress.update(task, advance=1, note=f"{made} stereo frames")
        if made + found:
            write_summary(self.out, self.config, split, reports)
        for text in dict.fromkeys(str(report) for report in reports if report.notable):
            print(text)
        spent = sum(os.times()[:4]) - sum(begun[:4])  # this process and the workers that ended
        here = made and self.cluster is None
        rate = f" at {made / max(spent, 0.01):.0f} per second of processor time" if here else ""
        print(f"{self.out}: {made} stereo frames made{rate}, {found} were there already")
        faults = sorted({report.fault for report in reports if report.fault})
        for fault in faults:
            print(f"same-data: left out: {fault}", file=sys.stderr)
        if not made + found:
            print("same-data: nothing is left of any clip: see what was dropped", file=sys.stderr)
        return EXIT_USER_ERROR if faults or not made + found else 0

    def _results(self, jobs: "list[Job]") -> "Iterator[JobResult]":
        if self.cluster is not None:
            from same_model.synth.cluster import run_jobs_on_cluster

            return run_jobs_on_cluster(self.config, jobs, self.out, self.cluster, self.mcap)
        from same_model.synth.synth import run_jobs

        return run_jobs(self.config, jobs, self.out, self.workers, self.mcap)


@dataclass(frozen=True)
class CheckSplit:
    """Refuse a split that trains on takes that a protocol tests, under whatever name."""

    motion_dir: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of BVH or AMC clips, packed with xz or not, searched with their subfolders."""
    split_file: Path | None = None
    """Another split than the latest: a file, or a shipped one such as `cmu-v1`."""

    def run(self) -> int:
        from same_model.synth.motion.clip import load_clip
        from same_model.synth.motion.leaks import check_split, joint_angles
        from same_model.synth.motion.splits import load_split
        from same_model.synth.plan import find_clips

        split = load_split(self.split_file)
        with _progress() as progress:
            found = find_clips(self.motion_dir, (), split)
            clips = [(clip, path) for clip, path in found if clip not in split.excluded]
            task = progress.add_task("clips", total=len(clips), note="")
            angles = {}
            for clip, path in clips:
                angles[clip.clip] = [
                    joint_angles(m) for m in load_clip(path, amc_fps=clip.amc_fps)[0]
                ]
                progress.update(task, advance=1, note=clip.clip)
        check_split(split, angles)
        absent = len(split.clips) - len(angles)
        print(f"{split.label}: no take of a protocol is trained on ({absent} clips were not there)")
        return 0


@dataclass(frozen=True)
class Mcap:
    """Write one sequence of a data set as an MCAP recording, for same-track."""

    sequence: tyro.conf.Positional[Path]
    """Sequence folder."""
    out: Path
    """MCAP file to write."""
    max_frames: int | None = None
    """Write no more than so many frames."""
    jpeg_quality: int | None = None
    """1..95 stores JPEG of that quality; default: lossless PNG."""

    def __post_init__(self) -> None:
        check_ranges(self, max_frames=(1, math.inf), jpeg_quality=(1, 95))

    def run(self) -> int:
        from same_model.data.export_mcap import export_mcap

        check_file_place("--out", self.out)
        export_mcap(self.sequence, self.out, self.max_frames, self.jpeg_quality)
        print(f"wrote {self.out}; next: same-track {self.out} --preview")
        return 0


@dataclass(frozen=True)
class Inspect:
    """Print the statistics of a data set, and what is suspicious in it."""

    path: tyro.conf.Positional[Path]
    """Folder of sequences, or a copy of EMHI as released."""
    max_frames: int = 20000
    """Look at about so many frames, spread over the sequences."""

    def __post_init__(self) -> None:
        check_ranges(self, max_frames=(1, math.inf))

    def run(self) -> int:
        from same_model.data.inspect import inspect

        print(inspect(self.path, self.max_frames))
        return 0


@dataclass(frozen=True)
class Check:
    """Refuse sequence folders that training would misread: units, frames, clocks, shapes, joints.

    $ same-data check data
    """

    path: tyro.conf.Positional[Path]
    """Folder of sequences, at any depth."""
    json: bool = False
    """Print the problems as JSON."""

    def run(self) -> int:
        from same_model.data.own.check import check_sequence
        from same_model.data.sequence import find_sequences

        found = find_sequences(self.path)
        problems = [problem for path in found for problem in check_sequence(path)]
        if self.json:
            print(json.dumps({"sequences": len(found), "problems": problems}, indent=1))
        else:
            print("\n".join(problems) or f"{self.path}: {len(found)} sequences, all good")
        return EXIT_USER_ERROR if problems else 0


@dataclass(frozen=True)
class FromMcap:
    """Turn a recording of your own into a sequence folder to train or evaluate on, unless
    `same-data check` would refuse it.

    $ same-data from-mcap mine.mcap --joints mine.npz --out data/mine --performer anna
    """

    recording: tyro.conf.Positional[Path]
    """MCAP recording, as the SDK writes it."""
    out: Path
    """Sequence folder to write."""
    joints: Path | None = None
    """Annotation: an .npz with timestamp_ns (n,) and joints_world (n, 22, 3); default: the true
    joints in the recording."""
    performer: str = "unknown"
    """Who was recorded; --validation of same-train holds performers out by this name."""
    action: str = "unknown"
    """What was done; same-eval reports actions apart."""
    split: Literal["train", "validation", "protocol1", "protocol2", "withheld"] = "train"
    """train, validation, or the protocol that same-eval reports it under."""
    licence: str = "unstated"
    """Whose the recording is, and under which terms."""

    def run(self) -> int:
        from same_model.data.own.from_mcap import import_mcap
        from same_runtime.recording import Recording

        meta = {"performer": self.performer, "action": self.action, "split": self.split}
        sequence, left_out = import_mcap(
            Recording(self.recording),
            self.out,
            self.joints,
            checked=True,
            licence=self.licence,
            **meta,
        )
        print(f"{self.out}: {sequence.frames} frames ({left_out} without views or joints left out)")
        return 0


@dataclass(frozen=True)
class ConvertEmhi:
    """Turn a copy of EMHI into sequence folders (joints only: no SMPL data is copied)."""

    emhi: tyro.conf.Positional[Path]
    """Folder of EMHI subjects."""
    out: Path
    """Folder of the data set."""
    smpl: Path
    """Your SMPL model file (`.npz`, or the official `.pkl`, read without running its code)."""
    split_file: Path
    """JSON: {"train": [...], "protocol1": [...], "protocol2": [...]} of subject names."""

    def run(self) -> int:
        from same_model.data.emhi.annotations import find_subjects
        from same_model.data.emhi.convert import convert_emhi

        with _progress() as progress:
            subjects = find_subjects(self.emhi)
            task = progress.add_task("subjects", total=len(subjects), note="")
            for report in convert_emhi(self.emhi, self.out, self.smpl, self.split_file):
                progress.update(task, advance=1, note=report.subject)
                progress.console.print(str(report))
        return 0


@dataclass(frozen=True)
class Preview:
    """Draw the joints into the images: a contact sheet, and a short video of one recording."""

    path: tyro.conf.Positional[Path]
    """Folder of sequences."""
    out: Path = Path("preview")
    """Folder for `sheet.jpg` and `video.webp`."""
    columns: int = 3
    """Columns of the sheet."""
    rows: int = 8
    """Rows of the sheet."""
    width: int = 200
    """Width of one view in the sheet, pixels."""
    seed: int = 0
    """Picks the frames."""

    def __post_init__(self) -> None:
        check_ranges(self, columns=(1, 100), rows=(1, 200), width=(16, 2000), seed=(0, math.inf))

    def run(self) -> int:
        from same_model.data.preview import contact_sheet, write_video
        from same_model.data.sequence import find_sequences, open_sequence

        found = find_sequences(self.path)
        make_folder("--out", self.out)
        sheet = contact_sheet(found, self.columns, self.rows, self.width, self.seed)
        sheet.save(self.out / "sheet.jpg", quality=80)
        write_video(open_sequence(found[self.seed % len(found)]), self.out / "video.webp")
        print(f"{self.out / 'sheet.jpg'}, {self.out / 'video.webp'}")
        return 0


_ABOUT: Final = """
    Make, inspect, convert and look at data sets for training and evaluation.

    $ same-data synth --out data --procedural 40
    """


def _command(options: str, summary: str) -> Subcommand:
    module = "same_model.cli.data"  # also where this runs as a script
    return Subcommand(f"{module}:{options}", f"{module}:run", summary)


_COMMANDS: Final = {
    "synth": _command("Synth", "make recordings from motion clips"),
    "check-split": _command("CheckSplit", "refuse a split that trains on what a protocol tests"),
    "inspect": _command("Inspect", "statistics of a data set, and what is suspicious in it"),
    "check": _command("Check", "refuse what training would misread: units, frames, clocks"),
    "from-mcap": _command("FromMcap", "turn a recording of your own into a sequence"),
    "preview": _command("Preview", "draw the joints into the images"),
    "convert-emhi": _command("ConvertEmhi", "turn a copy of EMHI into sequence folders"),
    "mcap": _command("Mcap", "write one sequence as an MCAP recording, for same-track"),
}


def run(
    command: Synth | CheckSplit | Inspect | Check | FromMcap | ConvertEmhi | Preview | Mcap,
) -> int:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    return command.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``same-data``; returns the exit code."""
    return run_subcommand("same-data", _ABOUT, _COMMANDS, arguments, extra="train")


if __name__ == "__main__":
    raise SystemExit(main())
