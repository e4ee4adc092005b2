"""``same-eval``: the paper's metrics of a checkpoint, a bundle or saved poses."""

import math
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import tyro

from same_engines import Bundle
from same_engines.bundle.manifest import STAGES, say_trained_steps
from same_engines.errors import DataError, InvalidInputError
from same_engines.field_checks import check_ranges, checked_choice
from same_model.data.sequence import SequenceReader, find_sequences, open_sequence
from same_model.evaluation.metrics import FrameErrors, MetricsConfig
from same_runtime.cli.command import Subcommand, run_subcommand
from same_runtime.cli.console import results
from same_runtime.cli.option_types import BACKEND_NAMES, Backend, Input, Precision
from same_runtime.cli.output_places import check_folder_place
from same_runtime.options import MOST_THREADS, PRECISIONS

if TYPE_CHECKING:
    from same_model.evaluation.predict import PredictedPoses, Predictor


_Straps = Literal["worn", "measured"]


@dataclass(frozen=True)
class EvalCommand:
    """Evaluate a checkpoint (offline), a bundle (streaming) or saved poses on sequence folders.

    $ same-eval lite.safetensors --data data/protocol1 --out results
    """

    data: Path
    """Sequence folders that same-data wrote, at any depth."""
    source: Input = None
    """A checkpoint (.safetensors, .pt), a bundle (.same), or poses.npz of same-track (or a folder
    with one NAME.npz for each sequence folder NAME); --ckpt and --bundle name the first two too."""
    ckpt: Path | None = None
    """Checkpoint to evaluate, instead of INPUT."""
    bundle: Path | None = None
    """Bundle to evaluate, instead of INPUT."""
    out: Path = Path("same-eval-out")
    """Folder for metrics.json, metrics.md, joints.png and the videos."""
    videos: int = 1
    """Videos of each protocol: 1 shows its sequence of median error, more go from best to worst."""
    straps: _Straps = "worn"
    """Leg sensors as they were worn, or as after ``tracker.calibration.start_legs()``: the stand
    that measures their straps is made up from the true joints, with errors of 3 to 6 degrees."""
    losses: bool = False
    """Also lose cameras and devices for a second and report the errors."""
    limit: int | None = None
    """Evaluate every n-th sequence so that at most this many remain."""
    threads: int | None = None
    """CPU threads; default: the library's choice."""
    backend: Backend = "auto"
    """Backend that runs a bundle."""
    precision: Precision = "auto"
    """Precision in which a bundle runs: auto is what an app gets, fp32 what a checkpoint does."""
    json: bool = False
    """Print the content of metrics.json instead of the tables."""
    metrics: MetricsConfig = field(default_factory=MetricsConfig)

    def __post_init__(self) -> None:
        check_ranges(self, videos=(0, 1000), limit=(1, math.inf), threads=(1, MOST_THREADS))
        checked_choice("backend", self.backend, BACKEND_NAMES)
        checked_choice("precision", self.precision, PRECISIONS)

    def given(self) -> Path:
        """What is evaluated. Raises ``InvalidInputError`` unless exactly one thing is named."""
        named = [path for path in (self.source, self.ckpt, self.bundle) if path is not None]
        if len(named) != 1:
            raise InvalidInputError("name one of INPUT, --ckpt and --bundle")
        return named[0]


def _predictor(command: EvalCommand) -> tuple["Predictor", Mapping[str, int | None]]:
    """What gives the poses, and for how many steps its stages were trained."""
    from same_model.checkpoint import load_checkpoint
    from same_model.evaluation.predict import OfflinePredictor, SavedPoses, StreamingPredictor

    source, measured = command.given(), command.straps == "measured"
    if not source.exists():
        raise DataError(f"{source}: no such checkpoint, bundle or pose file")
    is_checkpoint = source.suffix in (".safetensors", ".pt")
    is_poses = source.suffix == ".npz" or (
        source.is_dir() and not (source / "manifest.json").exists()
    )
    asked = command.backend != "auto" or command.precision not in ("auto", "fp32")
    if asked and (is_checkpoint or is_poses):
        raise InvalidInputError(f"{source}: --backend and --precision are for a bundle")
    if is_checkpoint:
        model = load_checkpoint(source)
        return OfflinePredictor(model, measured), model.trained_steps
    if is_poses:
        if measured:
            raise InvalidInputError(f"--straps measured: {source} holds poses, nothing to measure")
        return SavedPoses(source), {}
    from same_runtime.tracker import TrackerOptions

    options = TrackerOptions(threads=command.threads, precision=command.precision)
    trained_steps = Bundle.open(source).manifest.trained_steps or dict.fromkeys(STAGES)
    predictor = StreamingPredictor(source, command.backend, options, measured)
    return predictor, trained_steps


def _sequences(
    command: "EvalCommand | AblationsCommand | BudgetCommand",
) -> list[SequenceReader]:
    import torch

    if command.threads is not None:
        torch.set_num_threads(command.threads)
    paths = find_sequences(command.data)
    if command.limit is not None:
        paths = paths[:: -(-len(paths) // command.limit)]
    return [open_sequence(path) for path in paths]


def run(command: EvalCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    from same_model.evaluation.evaluate import evaluate
    from same_model.evaluation.report import table, what_does_not_count, write_report
    from same_model.evaluation.video import write_video

    predictor, trained_steps = _predictor(command)
    sequences = _sequences(command)
    check_folder_place("--out", command.out)
    found: dict[str, list[tuple[float, SequenceReader, PredictedPoses]]] = {}

    def on_sequence(sequence: SequenceReader, poses: "PredictedPoses", errors: FrameErrors) -> None:
        protocol = str(sequence.meta.get("split", "unnamed"))
        found.setdefault(protocol, []).append((float(errors.joint.mean()), sequence, poses))

    evaluation = evaluate(predictor, sequences, command.metrics, command.losses, on_sequence)
    evaluation.trained_steps = trained_steps
    invocation = shlex.join(["same-eval", *sys.argv[1:]])
    write_report(evaluation, f"Evaluation of {command.given().name}", invocation, command.out)
    names = ["metrics.json", "metrics.md", "joints.png"]
    of_stem: Counter[str] = Counter()
    for protocol, items in sorted(found.items()):
        items.sort(key=lambda item: item[0])
        count = min(command.videos, len(items))
        for number in range(count):
            error, sequence, poses = items[int((number + 0.5) / count * len(items))]
            stem = f"{protocol}-{sequence.path.name}-{error:.0f}mm"
            of_stem[stem] += 1  # sequences of other folders may have the same name
            again = f"-{of_stem[stem]}" if of_stem[stem] > 1 else ""
            names.append(f"{stem}{again}.webp")
            write_video(sequence, poses, command.out / names[-1])
    if command.json:
        print((command.out / "metrics.json").read_text(), end="")
        return
    results().print(table(evaluation.protocols, "protocol"))
    for sentence in what_does_not_count(evaluation):
        results().print(sentence)
    if trained_steps:
        results().print(f"trained: {say_trained_steps(trained_steps)}")
    results().print(f"wrote {command.out}/: {', '.join(names)}")


@dataclass(frozen=True)
class AblationsCommand:
    """Make the paper's Tables 1-4 from the rows RUNS/ROW that same-train ablations RUNS trains.

    Rows that are not there are named in the tables.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folder of the rows, or several of the same rows with other seeds, for means and spread."""
    data: Path
    """Sequence folders that same-data wrote, at any depth; the paper uses protocol2."""
    out: Path = Path("same-eval-out")
    """Folder for ablations.json and ablations.md."""
    limit: int | None = None
    """Evaluate every n-th sequence so that at most this many remain."""
    threads: int | None = None
    """CPU threads; default: the library's choice."""
    metrics: MetricsConfig = field(default_factory=MetricsConfig)

    def __post_init__(self) -> None:
        check_ranges(self, limit=(1, math.inf), threads=(1, MOST_THREADS))


def run_ablations(command: AblationsCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    from same_model.evaluation.ablations import evaluate_rows, write_tables

    if not command.runs or len({runs.name for runs in command.runs}) < len(command.runs):
        raise InvalidInputError("runs: expected one folder of rows or more, each with its own name")
    sequences = _sequences(command)
    check_folder_place("--out", command.out)
    evaluations = {runs: evaluate_rows(runs, sequences, command.metrics) for runs in command.runs}
    invocation = shlex.join(["same-eval", *sys.argv[1:]])
    results().print(write_tables(evaluations, invocation, command.out))


@dataclass(frozen=True)
class BudgetCommand:
    """Measure where a checkpoint's millimetres come from: every stage on its own inputs, and given
    the truth in place of what the stage before it gives; pixels and degrees of every joint.

    $ same-eval budget lite.safetensors --data data/validation --limit 10
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """A checkpoint (.safetensors, .pt)."""
    data: Path
    """Sequence folders that same-data wrote, at any depth; their splits are reported apart."""
    out: Path = Path("same-eval-out")
    """Folder for budget.json, budget.md and budget.png."""
    limit: int | None = None
    """Measure every n-th sequence so that at most this many remain."""
    straps: _Straps = "worn"
    """Leg sensors as they were worn, or as after ``tracker.calibration.start_legs()``."""
    no_images: bool = False
    """Measure only the rows that need no image, as of sequences made with --no-render."""
    json: bool = False
    """Print the content of budget.json instead of the tables."""
    threads: int | None = None
    """CPU threads; default: the library's choice."""

    def __post_init__(self) -> None:
        check_ranges(self, limit=(1, math.inf), threads=(1, MOST_THREADS))


def run_budget(command: BudgetCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    from same_model.checkpoint import load_checkpoint
    from same_model.evaluation.budget.figures import error_budget
    from same_model.evaluation.budget.report import pixels_table, rows_table, write_budget

    model = load_checkpoint(command.checkpoint)
    measured, sequences = command.straps == "measured", _sequences(command)
    check_folder_place("--out", command.out)
    budget = error_budget(model, sequences, not command.no_images, measured)
    invocation = shlex.join(["same-eval", *sys.argv[1:]])
    title = f"Error budget of {command.checkpoint.name}"
    write_budget(budget, title, invocation, command.out)
    if command.json:
        print((command.out / "budget.json").read_text(), end="")
        return
    for split, group in budget.groups.items():
        said = [f"{split}: {group.sequences} recordings, {group.frames} frames; mm"]
        said.append(rows_table(group, budget.titles))
        if group.pixels:
            said.append(pixels_table(group))
        results().print("\n\n".join(said) + "\n")
    results().print(f"wrote {command.out}/: budget.json, budget.md, budget.png")


_ABOUT: Final = """
    Evaluate on sequence folders. Without a command: metrics.

    $ same-eval lite.safetensors --data data/protocol1 --out results
    """
_MODULE: Final = "same_model.cli.evaluate"
_COMMANDS: Final = {
    "metrics": Subcommand(
        f"{_MODULE}:EvalCommand",
        f"{_MODULE}:run",
        "the paper's metrics of a checkpoint, a bundle or saved poses (the default)",
        takes_input=True,
    ),
    "budget": Subcommand(
        f"{_MODULE}:BudgetCommand",
        f"{_MODULE}:run_budget",
        "where a checkpoint's millimetres come from, stage by stage",
    ),
    "ablations": Subcommand(
        f"{_MODULE}:AblationsCommand",
        f"{_MODULE}:run_ablations",
        "the paper's Tables 1-4 from what same-train ablations trained",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``same-eval``; returns the exit code."""
    return run_subcommand("same-eval", _ABOUT, _COMMANDS, arguments, "metrics", "train")
