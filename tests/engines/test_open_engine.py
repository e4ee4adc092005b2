"""Which backend is taken, what is said about it, and what a failing GPU looks like."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from cpu_device import CpuBuffer, CpuDevice, CpuStage

from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import STAGES, TensorSpec
from same_engines.bundle.plans import PlanKey
from same_engines.errors import BundleError, EngineError
from same_engines.gpu.cuda_device import cuda_errors, foreign_buffer
from same_engines.tensorrt import engine as tensorrt_engine


class CudaLikeDevice(CpuDevice):
    architecture = "sm_89"
    name = "Test GPU sm_89"
    driver = "13000"


class FullDevice(CudaLikeDevice):
    """Has no memory left for the third tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 2

    def empty(self, spec: TensorSpec) -> CpuBuffer:
        with cuda_errors(f"allocating {spec.name}"):
            if self.left == 0:
                raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory")
            self.left -= 1
            return super().empty(spec)


class StageWithKernels(CpuStage):
    """Remembers what became of it."""

    kept: list["StageWithKernels"] = []
    closed: list["StageWithKernels"] = []

    def keep_kernels(self) -> None:
        self.kept.append(self)

    def close(self) -> None:
        super().close()
        self.closed.append(self)


@pytest.fixture
def with_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has a driver, a device made of host memory and no use for OpenVINO."""
    monkeypatch.setattr(sys.modules["same_engines.open_engine"], "find_driver", lambda: None)
    monkeypatch.setattr(sys.modules["same_engines.open_engine"], "is_x86", lambda: False)
    monkeypatch.setattr(tensorrt_engine, "CudaDevice", CudaLikeDevice)


@pytest.fixture
def fake_tensorrt(monkeypatch: pytest.MonkeyPatch, with_driver: None) -> list[str]:
    """TensorRT replaced by ONNX Runtime on the CPU; returns the variants that were opened."""
    opened: list[str] = []

    def usable_plans(bundle: Bundle, key: PlanKey, precision: str, variant: str):
        opened.append(f"{key.target} {key.gpu} {variant}")
        return dict.fromkeys(STAGES, b"")

    def open_stages(tensorrt, bundle: Bundle, precision: str, plans, launch, kernels):
        StageWithKernels.kept, StageWithKernels.closed = [], []
        device = CudaLikeDevice()
        return {stage: StageWithKernels(bundle, precision, stage, device) for stage in STAGES}

    class Library:
        target, version = "tensorrt", "10.13"

    monkeypatch.setattr(tensorrt_engine, "load_tensorrt", lambda target: Library)
    monkeypatch.setattr(tensorrt_engine, "usable_plans", usable_plans)
    monkeypatch.setattr(tensorrt_engine, "open_stages", open_stages)
    return opened


class WorkingKernel:
    def __init__(self, architecture: str) -> None:
        assert architecture == "sm_89"
        self.launch = lambda *_: None


def broken_kernel(architecture: str) -> None:
    raise EngineError(f"the operator's kernel cannot be compiled for {architecture}")


def test_auto_takes_the_fastest_that_works(
    tiny_bundle: Path,
    fake_tensorrt: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tensorrt_engine, "DeformAttnKernel", WorkingKernel)
    with (
        caplog.at_level(logging.INFO, "same"),
        open_engine(Bundle.open(tiny_bundle), precision="fp16") as engine,
    ):
        engine.run_frame()
        assert engine.backend == "tensorrt"
        assert np.isfinite(engine.host_output("joints_anchor")).all()
    assert len(StageWithKernels.kept) == len(StageWithKernels.closed) == len(STAGES)
    assert fake_tensorrt == ["tensorrt Test GPU sm_89 plugin"]
    assert "backend auto: tensorrt, the fastest there is" in caplog.text


def test_a_kernel_that_cannot_be_compiled_is_announced_and_replaced(
    tiny_bundle: Path,
    fake_tensorrt: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tensorrt_engine, "DeformAttnKernel", broken_kernel)
    with open_engine(Bundle.open(tiny_bundle), "tensorrt"):
        assert fake_tensorrt == ["tensorrt Test GPU sm_89 standard"]
    assert "running the operator as standard layers: the operator's kernel" in caplog.text


def test_auto_names_every_reason_on_its_way_to_the_cpu(
    tiny_bundle: Path,
    with_driver: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(target: str) -> None:
        raise EngineError(f"{target}: refuses this card")

    monkeypatch.setattr(tensorrt_engine, "load_tensorrt", refuse)
    with (
        caplog.at_level(logging.INFO, "same"),
        open_engine(Bundle.open(tiny_bundle), threads=1) as engine,
    ):
        assert engine.backend == "onnxruntime"
    last = caplog.messages[-1]
    assert last.startswith("backend auto: onnxruntime on 1 CPU threads, because ")
    for reason in ("tensorrt: refuses this card", "tensorrt-rtx: refuses this card", "GPU: "):
        assert reason in last


def test_out_of_device_memory_is_a_typed_error_and_releases_what_was_opened(
    tiny_bundle: Path, fake_tensorrt: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[FullDevice] = []

    def full_device() -> FullDevice:
        devices.append(FullDevice())
        return devices[-1]

    monkeypatch.setattr(tensorrt_engine, "DeformAttnKernel", WorkingKernel)
    monkeypatch.setattr(tensorrt_engine, "CudaDevice", full_device)
    with pytest.raises(EngineError, match="OUT_OF_MEMORY.*smaller preset or fp16") as caught:
        open_engine(Bundle.open(tiny_bundle), "tensorrt")
    assert "\n" not in str(caught.value)
    assert devices[0].closed
    assert len(StageWithKernels.closed) == len(STAGES)
    assert StageWithKernels.kept == []


def test_auto_announces_out_of_device_memory_and_runs_on_the_cpu(
    tiny_bundle: Path,
    fake_tensorrt: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tensorrt_engine, "DeformAttnKernel", WorkingKernel)
    monkeypatch.setattr(tensorrt_engine, "CudaDevice", FullDevice)
    with (
        caplog.at_level(logging.INFO, "same"),
        open_engine(Bundle.open(tiny_bundle), threads=1) as engine,
    ):
        assert engine.backend == "onnxruntime"
        engine.run_frame()
    assert "backend auto: onnxruntime on 1 CPU threads, because GPU: allocating" in caplog.text
    assert "CUDA_ERROR_OUT_OF_MEMORY" in caplog.text


def test_auto_does_not_step_over_a_bad_bundle(
    tiny_bundle: Path, fake_tensorrt: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tampered(*_: object) -> None:
        raise BundleError("fusion.onnx: was changed")

    monkeypatch.setattr(tensorrt_engine, "DeformAttnKernel", WorkingKernel)
    monkeypatch.setattr(tensorrt_engine, "usable_plans", tampered)
    with pytest.raises(BundleError, match="was changed"):
        open_engine(Bundle.open(tiny_bundle))


@pytest.mark.parametrize(
    ("raised", "hint"),
    [
        (RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: no memory"), "use a smaller preset"),
        (OSError("CUDA_ERROR_NO_DEVICE\nno CUDA-capable device"), "nvidia-smi"),
    ],
)
def test_failures_of_the_gpu_are_one_line_with_a_next_step(raised: Exception, hint: str) -> None:
    with pytest.raises(EngineError, match=hint) as caught, cuda_errors("allocating"):
        raise raised
    assert str(caught.value).startswith("GPU: allocating failed: CUDA_ERROR")
    assert "\n" not in str(caught.value)


def test_a_tensor_on_the_cpu_is_no_array_on_the_gpu(tiny_bundle: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    spec = Bundle.open(tiny_bundle).graph("fp32", "visual").inputs[0]
    with pytest.raises(EngineError, match="expected an array on the GPU"):
        foreign_buffer(torch.zeros(spec.shape), spec)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"precision": []}, r"precision: expected auto, fp32, fp16, int8, bf16; got \[\]"),
        ({"precision": None}, "precision: expected auto, fp32.*; got None"),
        ({"threads": True}, "threads: expected 1..256, got True"),
    ],
)
def test_arguments_of_a_wrong_type_are_named(
    tiny_bundle: Path, arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(EngineError, match=said):
        open_engine(Bundle.open(tiny_bundle), "onnxruntime", **arguments)
