"""The operator's kernel alone: correct on random inputs, and how fast against the card."""

import ctypes
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from same_bench.measuring.checkout import find_checkout
from same_bench.peers.deform_attn_reference import deform_attn_reference
from same_engines.errors import EngineError
from same_engines.gpu.deform_attn_cuda import DeformAttnShape
from same_model.config import ModelConfig
from same_model.network.deform_attn import spatial_aware_deform_attn
from same_runtime.conventions import NUM_JOINTS, NUM_VIEWS

INPUTS = ("features", "rays", "origins", "locations", "weights", "depth", "w1", "b1")
TYPED = ("features", "weights", "w1", "b1")
TOLERANCE = {False: 1e-5, True: 2e-3}
"""Norm of the difference over the norm of the reference, float32 and half."""

_SECTOR_BYTES = 32
_COLD_SETS_BYTES = 256 << 20  # several times the largest second-level cache
_LAUNCHES_PER_GRAPH = 64

Launch = Callable[[DeformAttnShape, list[int], list[int], int], None]
Arrays = dict[str, np.ndarray]


class NativeKernel:
    """The nvcc-built library behind its C ABI, called as ``DeformAttnKernel`` is."""

    def __init__(self, build: Path) -> None:
        for command in (
            [
                "cmake",
                "-S",
                str(find_checkout() / "cpp/cuda"),
                "-B",
                str(build),
                "-DCMAKE_BUILD_TYPE=Release",
            ],
            ["cmake", "--build", str(build)],
        ):
            made = subprocess.run(command, capture_output=True, text=True)
            if made.returncode:
                raise EngineError(f"{' '.join(command)}: {(made.stdout + made.stderr)[-400:]}")
        library = build / "libsame_cuda.so"
        if not library.exists():
            raise EngineError("nvcc: not found, so the native kernel is not built")
        self._library = ctypes.CDLL(str(library))

    def launch(
        self, shape: DeformAttnShape, inputs: list[int], outputs: list[int], stream: int
    ) -> None:
        fields = asdict(shape)
        delta = fields.pop("delta")
        order = (
            "views",
            "channels",
            "height",
            "width",
            "joints",
            "heads",
            "points",
            "hidden",
            "shell_points",
        )

        class Shape(ctypes.Structure):
            _fields_ = [
                *((name, ctypes.c_int) for name in order),
                ("delta", ctypes.c_float),
                *((name, ctypes.c_int) for name in ("pe_sum", "half", "channels_last")),
            ]

        content = Shape(
            *(fields[name] for name in order),
            delta,
            fields["pe_sum"],
            fields["half"],
            fields["channels_last"],
        )
        tensors = (ctypes.c_void_p * 10)(*inputs, *outputs)
        error = self._library.same_deform_attn_launch(
            ctypes.byref(content), tensors, ctypes.c_void_p(stream)
        )
        if error:
            raise EngineError(f"same_deform_attn_launch: cudaError {error}")


def shape_of(config: ModelConfig, half: bool, channels_last: bool = False) -> DeformAttnShape:
    """What one fusion iteration of a preset asks of the operator."""
    return DeformAttnShape(
        NUM_VIEWS,
        config.feature_dim,
        config.feature_height,
        config.feature_width,
        NUM_JOINTS,
        config.sampling_heads,
        config.sampling_points,
        config.pe_hidden,
        config.shell_points,
        config.shell_half_depth_m,
        config.pe_weighting == "sum",
        half,
        channels_last,
    )


def random_inputs(shape: DeformAttnShape, seed: int) -> Arrays:
    """Points within some pixels of random joints, one in ten anywhere, some outside the map."""
    s, random = shape, np.random.default_rng(seed)
    rows = (s.views, s.joints, s.heads, s.points)
    size = np.array([s.width, s.height])
    near = random.uniform(0, size, (s.views, s.joints, 1, 1, 2)) + 6 * random.normal(
        size=(*rows, 2)
    )
    anywhere = random.uniform(-4, size + 4, (*rows, 2))
    rays = random.normal(size=(s.views, 3, s.height, s.width))
    values = {
        "features": random.normal(size=(s.views, s.channels, s.height, s.width)),
        "rays": rays / np.linalg.norm(rays, axis=1, keepdims=True),
        "origins": 0.1 * random.normal(size=(s.views, 3)),
        "locations": np.where(random.random((*rows, 1)) < 0.1, anywhere, near),
        "weights": random.dirichlet(np.ones(s.points), rows[:3]),
        "depth": random.uniform(0.2, 2, rows[:2]),
        "w1": random.normal(size=(s.hidden, 3 * s.shell_points)),
        "b1": random.normal(size=s.hidden),
    }
    return {
        name: value.astype(np.float16 if s.half and name in TYPED else np.float32)
        for name, value in values.items()
    }


def compulsory_bytes(shape: DeformAttnShape, arrays: Arrays) -> int:
    """Fewest bytes that device memory must move for these inputs: every 32-byte sector of the
    maps that a point touches once, the other inputs once, the outputs once."""
    x, y = (np.floor(arrays["locations"][..., axis]).astype(np.int64) for axis in (0, 1))
    itemsize = 2 if shape.half else 4
    total = 0
    for view in range(shape.views):
        cells = set()
        for dx in (0, 1):
            for dy in (0, 1):
                column, row = x[view] + dx, y[view] + dy
                inside = (column >= 0) & (column < shape.width) & (row >= 0) & (row < shape.height)
                cells |= set((row * shape.width + column)[inside].tolist())
        offsets = np.array(sorted(cells), dtype=np.int64)
        if shape.channels_last:
            per_cell = -(-shape.channels * itemsize // _SECTOR_BYTES)
            total += len(offsets) * per_cell * _SECTOR_BYTES
        else:
            sectors = len(np.unique(offsets * itemsize // _SECTOR_BYTES))
            total += shape.channels * sectors * _SECTOR_BYTES
        total += 3 * len(np.unique(offsets * 4 // _SECTOR_BYTES)) * _SECTOR_BYTES
    total += sum(arrays[name].nbytes for name in INPUTS if name not in ("features", "rays"))
    rows = shape.views * shape.joints * shape.heads
    return total + rows * (shape.channels + shape.hidden) * itemsize


@dataclass
class OnDevice:
    """One set of inputs and poisoned outputs as CUDA tensors."""

    tensors: list[torch.Tensor]
    outputs: list[torch.Tensor]

    @classmethod
    def put(cls, shape: DeformAttnShape, arrays: Arrays) -> "OnDevice":
        tensors = [torch.from_numpy(arrays[name]).cuda() for name in INPUTS]
        if shape.channels_last:
            tensors[0] = tensors[0].permute(0, 2, 3, 1).contiguous()
        rows = (shape.views, shape.joints, shape.heads)
        kind = torch.float16 if shape.half else torch.float32
        outputs = [
            torch.full((*rows, width), torch.nan, dtype=kind, device="cuda")
            for width in (shape.channels, shape.hidden)
        ]
        return cls(tensors, outputs)

    def launch(self, launch: Launch, shape: DeformAttnShape) -> None:
        launch(
            shape,
            [tensor.data_ptr() for tensor in self.tensors],
            [output.data_ptr() for output in self.outputs],
            torch.cuda.current_stream().cuda_stream,
        )


def check(launch: Launch, shape: DeformAttnShape, seeds: range) -> float:
    """Worst relative error over fresh random inputs. Raises ``EngineError`` above tolerance,
    which an output that was not written, and so is NaN, never passes."""
    worst = 0.0
    for seed in seeds:
        arrays = random_inputs(shape, seed)
        held = OnDevice.put(shape, arrays)
        held.launch(launch, shape)
        torch.cuda.synchronize()
        expected = deform_attn_reference(**arrays, delta=shape.delta, pe_sum=shape.pe_sum)
        for came, reference in zip(held.outputs, expected, strict=True):
            difference = came.double().cpu().numpy() - reference
            error = float(np.linalg.norm(difference) / np.linalg.norm(reference))
            if not error <= TOLERANCE[shape.half]:
                raise EngineError(f"kernel: relative error {error:.2e} on {shape}, seed {seed}")
            worst = max(worst, error)
    return worst


def time_ms(work: Callable[[int], object], count: int, replays: int = 50) -> float:
    """Median time of one call of ``work(index)``, ms: a recorded graph of many calls, replayed
    between events, so that launching from Python costs nothing."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for index in range(min(count, 3)):
            work(index)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for index in range(_LAUNCHES_PER_GRAPH):
            work(index % count)
    times = []
    for _ in range(replays + 3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.stream(stream):
            begin.record()
            graph.replay()
            end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / _LAUNCHES_PER_GRAPH)
    return float(np.median(times[3:]))


def measure(launch: Launch, shape: DeformAttnShape, bandwidth_gb_s: float | None) -> dict[str, Any]:
    """Times of the kernel and of its plugin-free form in PyTorch, ms, and achieved bandwidth.

    ``cold``: inputs rotate through more memory than the caches hold; ``warm``: one set, as the
    operator finds its features just written by the stage before.
    """
    arrays = random_inputs(shape, 0)
    one = OnDevice.put(shape, arrays)
    size = sum(tensor.nbytes for tensor in one.tensors)
    sets = [
        one,
        *(
            OnDevice.put(shape, random_inputs(shape, seed))
            for seed in range(1, max(2, min(64, _COLD_SETS_BYTES // size)))
        ),
    ]
    moved = compulsory_bytes(shape, arrays)
    result: dict[str, Any] = {"shape": asdict(shape), "compulsory_bytes": moved}
    result["warm_ms"] = time_ms(lambda index: one.launch(launch, shape), 1)
    result["cold_ms"] = time_ms(lambda index: sets[index].launch(launch, shape), len(sets))
    result["cold_gb_s"] = moved / result["cold_ms"] / 1e6
    if bandwidth_gb_s is not None:
        result["share_of_copy_bandwidth"] = result["cold_gb_s"] / bandwidth_gb_s
    if not shape.channels_last:
        arguments: tuple[Any, ...] = (*one.tensors, shape.delta, shape.pe_sum)

        def plain(index: int) -> None:
            spatial_aware_deform_attn(*arguments)

        result["pytorch_eager_in_graph_ms"] = time_ms(plain, 1)
        result["speed_up_over_plugin_free"] = (
            result["pytorch_eager_in_graph_ms"] / result["warm_ms"]
        )
        try:
            compiled = torch.compile(spatial_aware_deform_attn)
            result["pytorch_compiled_in_graph_ms"] = time_ms(lambda index: compiled(*arguments), 1)
        except Exception as error:  # the compiler's kinds of errors are its own
            result["pytorch_compiled_refused"] = " ".join(str(error).split())[:800]
    return result


def copy_bandwidth_gb_s() -> float:
    """What the card moves at most: a large device-to-device copy, bytes read plus written."""
    source = torch.randn(256 << 20, device="cuda")
    target = torch.empty_like(source)
    times = []
    for _ in range(12):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        target.copy_(source)
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return 2 * source.nbytes / float(np.median(times[2:])) / 1e6
