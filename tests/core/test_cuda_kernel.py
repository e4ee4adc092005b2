"""The CUDA kernel without a GPU: its source run on the CPU, and its machine code built."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from deform_attn_inputs import inputs

from same_bench.peers.deform_attn_reference import deform_attn_reference

REPO = Path(__file__).resolve().parents[2]
SOURCE = REPO / "tests" / "support" / "cuda_on_host.cpp"
ARCHITECTURES = ("75", "80", "86", "89", "90", "100", "120")
MOST_REGISTERS = 64
"""More would halve the blocks that a multiprocessor holds at 512 threads each."""


@pytest.fixture(scope="module")
def kernel_on_host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler named c++")
    library = tmp_path_factory.mktemp("cuda_on_host") / "kernel.so"
    subprocess.run(
        [
            compiler,
            "-std=c++20",
            "-O1",
            "-shared",
            "-fPIC",
            "-pthread",
            "-Wno-unknown-pragmas",
            f"-I{REPO}/cpp/cuda",
            f"-I{REPO}/cpp/include",
            str(SOURCE),
            "-o",
            str(library),
        ],
        check=True,
    )
    return ctypes.CDLL(str(library))


def run(
    library: ctypes.CDLL,
    arrays: dict[str, np.ndarray],
    delta: float,
    pe_sum: bool,
    last: bool,
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    views, channels, height, width = arrays["features"].shape
    _, joints, heads, points = arrays["weights"].shape
    hidden, shell = arrays["w1"].shape[0], arrays["w1"].shape[1] // 3
    if last:
        arrays = {**arrays, "features": arrays["features"].transpose(0, 2, 3, 1)}
    order = ("features", "rays", "origins", "locations", "weights", "depth", "w1", "b1")
    contiguous = [np.ascontiguousarray(arrays[name]) for name in order]
    sampled = np.full((views, joints, heads, channels), np.nan, np.float32)
    position = np.full((views, joints, heads, hidden), np.nan, np.float32)
    shape = (channels, height, width, joints, heads, points, hidden, shell, pe_sum, last)
    library.run_on_host(
        threads,
        views * joints * heads,
        (ctypes.c_void_p * 8)(*(array.ctypes.data for array in contiguous)),
        sampled.ctypes.data_as(ctypes.c_void_p),
        position.ctypes.data_as(ctypes.c_void_p),
        (ctypes.c_int * 10)(*map(int, shape)),
        ctypes.c_float(delta),
    )
    return sampled, position


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("pe_sum", [False, True])
@pytest.mark.parametrize(
    ("threads", "shape"),
    [
        (32, (2, 5, 6, 7, 3, 2, 4, 6, 8)),  # more threads than channels and units
        (4, (2, 7, 5, 9, 2, 3, 9, 5, 1)),  # every thread loops; a shell of one point
        (1, (1, 1, 1, 1, 1, 1, 1, 1, 2)),
    ],
)
def test_kernel_agrees_with_the_reference(
    kernel_on_host: ctypes.CDLL,
    threads: int,
    shape: tuple[int, ...],
    pe_sum: bool,
    channels_last: bool,
) -> None:
    arrays = inputs(7, *shape)
    came = run(kernel_on_host, arrays, 0.2, pe_sum, channels_last, threads)
    expected = deform_attn_reference(**arrays, delta=0.2, pe_sum=pe_sum)
    for actual, reference in zip(came, expected, strict=True):
        np.testing.assert_allclose(actual, reference, atol=2e-5, rtol=1e-4)


@pytest.fixture(scope="module")
def nvcc_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the built library and what ptxas said."""
    if shutil.which("nvcc") is None or shutil.which("cmake") is None:
        pytest.skip("nvcc and cmake are needed to build the CUDA kernel")
    build = tmp_path_factory.mktemp("cuda")
    subprocess.run(
        ["cmake", "-S", str(REPO / "cpp/cuda"), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"],
        check=True,
        capture_output=True,
    )
    made = subprocess.run(
        ["cmake", "--build", str(build)], check=True, capture_output=True, text=True
    )
    return build, made.stdout + made.stderr


def test_every_architecture_builds_without_spills(
    nvcc_report: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.findall(
        r"entry function '(same_deform_attn_fp\d\d)' for 'sm_(\d+)'.*?"
        r"(\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers",
        nvcc_report[1],
        re.DOTALL,
    )
    with capsys.disabled():  # the build log is where this is looked for
        print()
        for kernel, architecture, stores, loads, registers in found:
            print(f"{kernel} sm_{architecture}: {registers} registers, {stores}+{loads} B spilt")
    for _, _, stores, loads, registers in found:
        assert (int(stores), int(loads)) == (0, 0)
        assert int(registers) <= MOST_REGISTERS
    assert {(kernel, architecture) for kernel, architecture, *_ in found} == {
        (f"same_deform_attn_{precision}", architecture)
        for precision in ("fp32", "fp16")
        for architecture in ARCHITECTURES
    }


def test_library_exports_one_c_function_and_refuses_an_empty_shape(
    nvcc_report: tuple[Path, str],
) -> None:
    library = ctypes.CDLL(str(nvcc_report[0] / "libsame_cuda.so"))
    empty_shape = (ctypes.c_int * 13)()
    invalid_value = 1
    assert library.same_deform_attn_launch(empty_shape, None, None) == invalid_value


def test_a_machine_without_nvcc_skips_with_a_message(tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    made = subprocess.run(
        [
            "cmake",
            "-S",
            str(REPO / "cpp/cuda"),
            "-B",
            str(tmp_path),
            "-DCMAKE_CUDA_COMPILER=NOTFOUND",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "no CUDA compiler" in made.stdout
