"""TensorRT-RTX builds plans without a GPU, so tests run it wherever it is installed."""

import importlib.util

import pytest


def skip_without_rtx() -> None:
    """Skip the test where TensorRT-RTX is not installed."""
    if importlib.util.find_spec("tensorrt_rtx") is None:
        pytest.skip("needs pip install .[rtx]")
