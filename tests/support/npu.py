"""What tests of the headset's NPU share."""

import importlib.util
import platform

import pytest


def needs_qnn() -> None:
    """Skip the calling test where onnxruntime-qnn has no wheel or cannot emulate."""
    if importlib.util.find_spec("onnxruntime_qnn") is None:
        pytest.skip("needs pip install .[qnn]: Python 3.11 or later")
    if platform.machine() != "x86_64":
        pytest.skip("the NPU is emulated on x86-64 only")
