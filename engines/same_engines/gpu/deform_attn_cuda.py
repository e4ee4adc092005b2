"""The operator's CUDA kernel for Python: compiled for the card at hand, launched on a stream."""

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from same_engines.errors import EngineError, install_hint

_MOST_THREADS = 512
_SHARED_BYTES_PER_POINT = 48  # sizeof(same::SharedPoint)


@dataclass(frozen=True)
class DeformAttnShape:
    """Sizes and attributes of one call; letters as in ``deform_attn_reference``."""

    views: int
    channels: int
    height: int
    width: int
    joints: int
    heads: int
    points: int
    hidden: int
    shell_points: int
    delta: float
    pe_sum: bool
    half: bool
    channels_last: bool = False
    """Features are (V, Hf, Wf, D) instead of (V, D, Hf, Wf)."""


class DeformAttnKernel:
    """Both precisions of the kernel, compiled for one architecture. Compiling needs no GPU.

    Raises ``EngineError`` when the CUDA Python packages or the run-time compiler are missing.
    """

    def __init__(self, architecture: str) -> None:
        self._code = compile_kernel(architecture)
        self._kernels: dict[bool, Any] = {}

    def launch(
        self, shape: DeformAttnShape, inputs: list[int], outputs: list[int], stream: int
    ) -> None:
        """Queue one launch. ``inputs``: device addresses of features, rays, origins, locations,
        weights, depth, w1, b1; ``outputs``: of sampled and position; ``stream``: a cudaStream_t.
        """
        from cuda.core import LaunchConfig, Stream, launch

        if shape.half not in self._kernels:
            name = f"same_deform_attn_fp{16 if shape.half else 32}"
            self._kernels[shape.half] = self._code.get_kernel(name)
        items = shape.channels + shape.hidden
        config = LaunchConfig(
            grid=shape.views * shape.joints * shape.heads,
            block=min(_MOST_THREADS, -(-items // 32) * 32),
            shmem_size=shape.points * _SHARED_BYTES_PER_POINT,
        )
        launch(
            Stream.from_handle(stream),
            config,
            self._kernels[shape.half],
            *inputs,
            *outputs,
            *map(
                np.int32,
                (
                    shape.channels,
                    shape.height,
                    shape.width,
                    shape.joints,
                    shape.heads,
                    shape.points,
                    shape.hidden,
                    shape.shell_points,
                ),
            ),
            np.float32(shape.delta),
            np.int32(shape.pe_sum),
            np.int32(shape.channels_last),
        )


@lru_cache(maxsize=4)
def compile_kernel(architecture: str) -> Any:
    """Machine code (a ``cuda.core.ObjectCode``) for an architecture such as ``sm_89``."""
    try:
        from cuda.core import Program, ProgramOptions
    except ImportError:
        raise EngineError(
            f"CUDA Python is not installed; install it with: {install_hint('rtx')}"
        ) from None
    folder = _source_folder()
    options = ProgramOptions(arch=architecture, std="c++17", include_path=[str(folder)])
    source = '#include "deform_attn_kernel.cuh"\n'
    try:
        return Program(source, "c++", options).compile("cubin")
    except Exception as error:  # every failure of the compiler or of finding it
        raise EngineError(
            f"the operator's kernel cannot be compiled for {architecture}: {error}; "
            "is the CUDA run-time compiler there? pip install nvidia-cuda-nvrtc"
        ) from None


def _source_folder() -> Path:
    """Where the kernel's source lies: installed beside this package."""
    # Asked by its name: an import of the package from here would be one in a circle.
    package = find_spec("same_engines")
    assert package is not None
    for folder in package.submodule_search_locations or ():
        if (Path(folder) / "cuda" / "deform_attn_kernel.cuh").is_file():
            return Path(folder) / "cuda"
    raise EngineError("same_engines/cuda: the kernel's source is missing; reinstall same-runtime")
