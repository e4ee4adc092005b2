"""What the tests of TensorRT share."""

import pytest
from rtx import skip_without_rtx

from same_engines.tensorrt.library import TensorRt, load_tensorrt


@pytest.fixture(scope="session")
def rtx() -> TensorRt:
    """TensorRT-RTX."""
    skip_without_rtx()
    return load_tensorrt("tensorrt-rtx")
