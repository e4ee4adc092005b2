"""Quantise a bundle's visual stage for CPUs, check what that does to the poses, and add it."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.bundle.reader import Bundle
from same_engines.errors import EngineError, ExportError
from same_engines.open_engine import open_engine
from same_export.cpu_int8.quantise import EXACT_LAYERS, quantise
from same_export.int8_graphs import PRECISION, write_int8
from same_export.quantisation.calibrate import record_frames, spread
from same_export.quantisation.float_graph import folded
from same_export.quantisation.gptq import measure_layer_inputs
from same_export.quantisation.joint_error import distances_mm
from same_export.quantisation.ranges import known_ranges, measure_ranges
from same_export.quantisation.tracked_joints import tracked_joints
from same_runtime.recording import Recording

MOST_MEAN_MM, MOST_MM = 1.0, 10.0
"""Mean and largest distance of a joint from where the float32 tracker has it that are allowed."""

_RANGE_FRAMES: Final = 64
_ROUNDING_FRAMES: Final = 24

Progress = Callable[[str | None], None]
"""Hears the name of each step before it runs, and None for each tracked frame."""


@dataclass(frozen=True)
class Accuracy:
    """The tracker with the 8-bit visual stage against the float32 tracker, over a recording."""

    recording: str
    frames: int
    backend: str
    mean_mm: float
    p99_mm: float
    max_mm: float
    truth_fp32_mm: float | None
    """Mean joint error against the recording's truth, in float32 ..."""
    truth_int8_mm: float | None
    """... and with the 8-bit stage."""
    exact_layers: tuple[str, ...] = ()
    """How the names of the layers begin that stay float32."""


def add_int8(
    bundle: Bundle,
    recording: Recording,
    progress: Progress = lambda step: None,
    calibration_frames: int | None = None,
) -> Accuracy:
    """Put ``int8`` graphs into ``bundle``: an 8-bit ``visual``, calibrated with ``recording`` or
    its first ``calibration_frames`` frames, and the float32 graphs of the other stages.

    The whole recording is tracked in both precisions, and again with more layers in float32 while
    the poses differ by more than ``MOST_MEAN_MM`` or ``MOST_MM``; the figures go into the manifest.
    Raises ``ExportError`` when they still do, and the bundle is as it was then;
    ``RecordingError`` and ``BundleError`` for bad input.
    """
    if "fp32" not in bundle.precisions():
        raise ExportError(f"{bundle.path}: has no fp32 graphs, which the int8 ones are made from")
    progress("tracking the calibration recording")
    frames = record_frames(bundle, recording, calibration_frames)
    inputs = [frame["visual"] for frame in frames]
    progress("quantising visual")
    where = str(bundle.path / bundle.graph("fp32", "visual").path)
    model = folded(bundle.graph_bytes("fp32", "visual"), where)
    ranges = measure_ranges(model, spread(inputs, _RANGE_FRAMES), known_ranges(bundle))
    behaviour = measure_layer_inputs(model, spread(inputs, _ROUNDING_FRAMES))
    for exact in EXACT_LAYERS:
        content = quantise(model, ranges, behaviour, exact)
        with tempfile.TemporaryDirectory(prefix="same-int8-") as folder:
            trial = Bundle.open(shutil.copytree(bundle.path, Path(folder) / bundle.path.name))
            write_int8(trial, content)
            progress(f"tracking in both precisions, {' '.join(exact)} in float32")
            accuracy = compare(trial, recording, lambda: progress(None))
        if accuracy.mean_mm <= MOST_MEAN_MM and accuracy.max_mm <= MOST_MM:
            accuracy = replace(accuracy, exact_layers=exact)
            write_int8(bundle, content, asdict(accuracy))
            return accuracy
    raise ExportError(
        f"int8: joints differ from float32 by {accuracy.mean_mm:.2f} mm on average and "
        f"{accuracy.max_mm:.2f} mm at most over {accuracy.recording}, {MOST_MEAN_MM:g} and "
        f"{MOST_MM:g} mm are allowed; the bundle is unchanged; calibrate with a recording "
        "that shows more of what is tracked (--calibration-recording)"
    )


def compare(
    bundle: Bundle, recording: Recording, progress: Callable[[], None] = lambda: None
) -> Accuracy:
    """Track ``recording`` with ``bundle`` in float32 on ONNX Runtime and in 8 bits on the engine
    that is there for them. Raises what opening the engines raises."""
    exact, truth, _ = _track(bundle, recording, "onnxruntime", "fp32", progress)
    try:
        rounded, _, backend = _track(bundle, recording, "openvino", PRECISION, progress)
    except EngineError:
        rounded, _, backend = _track(bundle, recording, "onnxruntime", PRECISION, progress)
    distance = distances_mm(rounded, exact)
    return Accuracy(
        recording=recording.path.name,
        frames=len(exact),
        backend=backend,
        mean_mm=float(distance.mean()),
        p99_mm=float(np.percentile(distance, 99)),
        max_mm=float(distance.max()),
        truth_fp32_mm=None if truth is None else float(distances_mm(exact, truth).mean()),
        truth_int8_mm=None if truth is None else float(distances_mm(rounded, truth).mean()),
    )


def _track(
    bundle: Bundle,
    recording: Recording,
    backend: str,
    precision: str,
    progress: Callable[[], None],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, str]:
    engine = open_engine(bundle, backend, precision, threads=1)
    joints, truth = tracked_joints(bundle, engine, recording, progress=progress)
    return joints, truth, engine.backend
