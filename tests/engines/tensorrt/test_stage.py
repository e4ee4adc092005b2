"""What TensorRT refuses when it opens or runs a plan: typed errors, each with the next step."""

from pathlib import Path

import pytest
from fake_tensorrt import FakeTensorRt

from same_engines import Bundle
from same_engines.errors import EngineError
from same_engines.tensorrt.engine import TensorRtStage


@pytest.fixture
def fake(tiny_bundle: Path) -> FakeTensorRt:
    return FakeTensorRt(Bundle.open(tiny_bundle).graph("fp32", "temporal"))


def test_a_plan_that_is_not_for_this_gpu_is_refused_with_the_next_step(fake: FakeTensorRt) -> None:
    fake.valid = False
    with pytest.raises(EngineError, match=r"not valid on this GPU .*use backend='tensorrt' or"):
        TensorRtStage(fake.library, b"plan", fake.spec, "tensorrt-rtx temporal")


def test_a_plan_whose_plugin_is_missing_is_refused_in_the_librarys_words(
    fake: FakeTensorRt,
) -> None:
    fake.refuses = "Cannot find plugin: SpatialAwareDeformAttn, version: 1, namespace: same"
    with pytest.raises(
        EngineError, match="Cannot find plugin: .*; build it again with: same-export"
    ):
        TensorRtStage(fake.library, b"plan", fake.spec, "tensorrt-rtx temporal")


def test_no_memory_for_a_context_is_refused_with_the_next_step(fake: FakeTensorRt) -> None:
    fake.out_of_memory = True
    with pytest.raises(EngineError, match="OutOfMemory .*free memory on the GPU, or use a smaller"):
        TensorRtStage(fake.library, b"plan", fake.spec, "tensorrt-rtx temporal")


def test_a_failing_run_is_a_typed_error(fake: FakeTensorRt) -> None:
    class Stream:
        handle = 0

    stage = TensorRtStage(fake.library, b"plan", fake.spec, "tensorrt-rtx temporal")
    with pytest.raises(EngineError, match="tensorrt-rtx temporal: failed: it gave no reason"):
        stage.enqueue(Stream())


def test_a_plan_of_another_network_is_refused(fake: FakeTensorRt, tiny_bundle: Path) -> None:
    other = Bundle.open(tiny_bundle).graph("fp32", "inertial")
    with pytest.raises(EngineError, match="inputs and outputs are not the manifest's"):
        TensorRtStage(fake.library, b"plan", other, "tensorrt-rtx temporal")
