"""What of the GPU benchmark can be wrong without a GPU: byte counts, verdicts, the peers."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from same_bench.cli import main
from same_bench.gpu.verdicts import verdicts
from same_bench.measuring.made_up_stream import made_up_stream
from same_bench.peers.deform_attn_reference import deform_attn_reference
from same_engines import Bundle, open_engine
from same_engines.errors import EngineError
from same_engines.gpu.cuda_device import find_driver
from same_engines.gpu.deform_attn_cuda import DeformAttnShape
from same_runtime.tracker import SamePoseTracker

pytest.importorskip("torch", reason="needs pip install .[export]")

from tiny_model import smallest_model

from same_bench.gpu import kernel, measure
from same_bench.gpu.torch_device import TorchDevice, torch_engine
from same_export.stages import for_precision
from same_model.config import PRESETS
from same_model.network.deform_attn import spatial_aware_deform_attn


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_compulsory_bytes_count_each_touched_sector_once(half: bool, channels_last: bool) -> None:
    shape = DeformAttnShape(2, 24, 9, 13, 3, 2, 4, 5, 8, 0.2, False, half, channels_last)
    arrays = kernel.random_inputs(shape, 0)
    itemsize = 2 if half else 4
    features, rays = set(), set()
    cells = np.arange(shape.height * shape.width).reshape(shape.height, shape.width)
    for view in range(shape.views):
        for x, y in arrays["locations"][view].reshape(-1, 2):
            for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                for row in (int(np.floor(y)), int(np.floor(y)) + 1):
                    if not (0 <= column < shape.width and 0 <= row < shape.height):
                        continue
                    cell = int(cells[row, column])
                    for axis in range(3):
                        rays.add((view, axis, cell * 4 // 32))
                    for channel in range(shape.channels):
                        # planes and rows are counted as if each began a sector
                        features.add(
                            (view, cell, channel * itemsize // 32)
                            if channels_last
                            else (view, channel, cell * itemsize // 32)
                        )
    others = sum(v.nbytes for n, v in arrays.items() if n not in ("features", "rays"))
    outputs = 2 * 3 * 2 * (24 + 5) * itemsize
    expected = 32 * (len(features) + len(rays)) + others + outputs
    assert kernel.compulsory_bytes(shape, arrays) == expected


@pytest.mark.parametrize("preset", ["lite", "base", "large"])
def test_benchmark_inputs_suit_the_presets(preset: str) -> None:
    import torch

    shape = kernel.shape_of(PRESETS[preset], half=False)
    arrays = kernel.random_inputs(shape, 1)
    came = spatial_aware_deform_attn(
        *(torch.from_numpy(arrays[name]) for name in kernel.INPUTS), shape.delta, shape.pe_sum
    )
    expected = deform_attn_reference(**arrays, delta=shape.delta, pe_sum=shape.pe_sum)
    for actual, reference in zip(came, expected, strict=True):
        difference = np.linalg.norm(actual.numpy() - reference)
        assert difference <= kernel.TOLERANCE[False] * np.linalg.norm(reference)


def test_the_pytorch_peer_is_the_same_network(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    model = for_precision(smallest_model(), "fp32")
    engines = (
        open_engine(bundle, "onnxruntime", threads=1),
        torch_engine(bundle, "fp32", model, "eager", TorchDevice("cpu")),
        torch_engine(
            bundle, "fp32", model, "eager", TorchDevice("cpu"), lambda *inputs: _spoilt(*inputs)
        ),
    )
    poses = []
    for engine in engines:
        with SamePoseTracker(tiny_bundle, backend=engine) as tracker:
            stream = made_up_stream(tracker.rig, 6)
            poses.append(np.stack([tracker.push(*sample).joints_world for sample in stream]))
    np.testing.assert_allclose(poses[1], poses[0], atol=1e-4)
    assert np.abs(poses[2] - poses[0]).max() > 1e-4, "the operator was not replaced"


def _spoilt(*inputs):
    sampled, position = spatial_aware_deform_attn(*inputs)
    return sampled + 1, position


def test_verdicts_say_what_held_what_did_not_and_what_was_not_measured() -> None:
    def entry(p50: float) -> dict:
        return {"error_mm": 0.4, "push": {"p50_ms": p50, "p99_ms": 0.9}}

    engines = {
        "tensorrt-rtx plugin fp16": {"refused": "not this card"},
        "torch graph with the kernel fp16": entry(0.4),
        "torch eager fp16": entry(8.0),
    }
    said = verdicts({"kernel": {}, "presets": {"base": {"engines": engines}}})
    assert said["base fp16 engine"] == "torch graph with the kernel fp16"
    assert said["push p50"] == "0.4 ms, asked <= 0.5: holds"
    assert said["push p99"] == "0.9 ms, asked <= 0.8: does not hold"
    assert said["times faster than torch eager"] == "20 x, asked >= 10: holds"
    assert said["times faster than onnxruntime-cuda"] == "not measured"
    assert said["operator over its plugin-free form"] == "not measured"
    assert verdicts({"kernel": {}, "presets": {}})["base fp16"] == "not measured"


@pytest.mark.skipif(find_driver() is None, reason="this machine has a GPU driver")
def test_without_a_gpu_it_says_so_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    monkeypatch.setattr(sys, "argv", ["same-bench", "gpu", "--out", str(out)])
    assert main() == 2
    assert "no NVIDIA driver on this machine" in capsys.readouterr().err
    assert not out.exists()


def test_what_cannot_be_measured_says_why_and_leaves_the_rest() -> None:
    result: dict = {"begun": {"relative_error": 1e-7}}
    console = Console(quiet=True)
    for at, raised in (
        ("typed", EngineError("refuses this card")),
        ("begun", RuntimeError("CUDA error:\n an illegal address")),
        ("wordless", AssertionError()),
    ):
        with measure.refusals(result, at, console):
            raise raised
    with measure.refusals(result, "good", console):
        result["good"] = {}
    assert result == {
        "typed": {"refused": "refuses this card"},
        "begun": {
            "relative_error": 1e-7,
            "refused": "RuntimeError: CUDA error: an illegal address",
        },
        "wordless": {"refused": "AssertionError: AssertionError"},
        "good": {},
    }
    with pytest.raises(KeyboardInterrupt), measure.refusals(result, "stopped", console):
        raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.skipif(find_driver() is None, reason="this machine has a GPU driver")
def test_a_rehearsal_reaches_every_gpu_call_and_writes_why_each_failed(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    rehearsal = ["gpu", "--rehearse", "--presets", "lite", "--frames", "20"]
    assert main([*rehearsal, "--out", str(out)]) == 0
    report = json.loads(out.read_text())
    assert report["device"] == "none: a rehearsal"
    assert "refused" not in report["presets"]["lite"]
    engines = report["presets"]["lite"]["engines"]
    assert {name.removesuffix(" fp32").removesuffix(" fp16") for name in engines} >= {
        "tensorrt-rtx plugin",
        "tensorrt-rtx standard",
        "tensorrt plugin",
        "onnxruntime-cuda",
        "torch eager",
        "torch compile",
        "torch graph",
    }
    for entry in (*engines.values(), *report["kernel"].values()):
        assert not {"ModuleNotFoundError", "FileNotFoundError"} & set(entry["refused"].split(": "))
        assert any(word in entry["refused"] for word in ("NVIDIA", "CUDA", "nvcc", "cudaError"))
    assert set(report["verdicts"].values()) == {"not measured"}
