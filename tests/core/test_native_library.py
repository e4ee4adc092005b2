"""The C++ library as apps without Python meet it: installed, found, linked, on this CPU and ARM."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from native_build import BUILDS, run_tool
from write_fault_recordings import write_raw

from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording
from same_runtime.recording.faults import inject

ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN = ROOT / "cmake" / "aarch64-linux-gnu.cmake"

pytestmark = BUILDS


def _example(folder: Path, *options: str) -> Path:
    """The example, built against the library installed below ``folder`` with ``options``."""
    configure = ("cmake", "-G", "Ninja", *options)
    prefix = folder / "prefix"
    library = ("-DSAME_PYTHON=OFF", "-DCMAKE_BUILD_TYPE=Release", "-DSAME_WERROR=ON")
    run_tool(*configure, "-S", ROOT, "-B", folder / "lib", *library)
    run_tool("cmake", "--build", folder / "lib")
    run_tool("cmake", "--install", folder / "lib", "--prefix", prefix)
    found = (f"-Dsame_DIR={prefix}/lib/cmake/same", "-DCMAKE_CXX_FLAGS=-Wall -Werror")
    run_tool(*configure, "-S", ROOT / "examples" / "native", "-B", folder / "app", *found)
    run_tool("cmake", "--build", folder / "app")
    return folder / "app"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _example(tmp_path_factory.mktemp("native"))


@pytest.fixture(scope="module")
def printed(app: Path) -> str:
    return run_tool(app / "network_inputs")


@pytest.fixture(scope="module")
def raw_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("raw") / "demo.raw"
    run_tool(sys.executable, ROOT / "examples" / "native" / "write_raw.py", demo_recording(), raw)
    return raw


def test_the_c_and_the_cpp_program_print_the_same_poses(app: Path, raw_demo: Path) -> None:
    library = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
    in_c, in_cpp = (
        run_tool(app / program, demo_bundle(), raw_demo, library)
        for program in ("replay", "replay_cpp")
    )
    assert in_c == in_cpp and len(in_c.splitlines()) > 6000


@pytest.mark.parametrize("fault, exit_code", [(None, 0), ("zero-quaternion", 1)])
def test_the_soak_tells_what_the_process_holds_and_what_went_wrong(
    app: Path, tiny_bundle: Path, tmp_path: Path, fault: str | None, exit_code: int
) -> None:
    recording = Recording(demo_recording())
    assert recording.rig is not None
    samples = inject(recording.samples(), fault) if fault else recording.samples()
    raw = tmp_path / "demo.raw"
    write_raw(samples, recording.rig, raw, 60)
    library = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
    done = subprocess.run(
        [app / "soak", tiny_bundle, raw, "0.1", library], capture_output=True, text=True
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert ("samples refused" in done.stderr) == bool(fault)
    (row,) = map(json.loads, done.stdout.splitlines())
    assert row["poses"] > 100 and row["tracked"] > 50 and row["frames_tracked"] > 20
    assert row["rss_mib"] > 10 and row["threads"] >= 4
    assert row["worst_ms"] > 0 and row["longest_gap_ms"] > 5


@pytest.mark.skipif(shutil.which("pkg-config") is None, reason="needs pkg-config")
def test_the_pages_lines_build_the_c_program_and_run_it(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "native.md").read_text()
    (lines,) = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "same_runtime").mkdir()
    (tmp_path / "same_runtime" / "demo_data").symlink_to(demo_bundle().parent)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e", "-c", lines],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pelvis") == 303


def test_pkg_config_finds_the_library(app: Path, tmp_path: Path) -> None:
    found = {"PKG_CONFIG_PATH": str(app.parent / "prefix" / "lib" / "pkgconfig")}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "same"],
        env={**os.environ, **found},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    source = ROOT / "examples" / "native" / "replay.c"
    run_tool("cc", "-std=c99", source, *flags, "-o", tmp_path / "replay")


def test_an_app_finds_the_installed_library_and_gets_what_the_network_takes(printed: str) -> None:
    head, *_, legs, last = printed.splitlines()
    assert [float(x) for x in head.split()[1:5]] == [0.0, 1.0, 0.0, 1.65]  # up, and the height
    assert legs.startswith("leg_right") and legs.endswith("1.000")
    assert last == "45 frames, window from -341 ms"


def test_another_compiler_has_no_warning_and_comes_to_the_same(
    tmp_path: Path, printed: str
) -> None:
    if shutil.which("clang++") is None:
        pytest.skip("needs clang++")
    assert (
        run_tool(_example(tmp_path, "-DCMAKE_CXX_COMPILER=clang++") / "network_inputs") == printed
    )


def test_the_installed_library_asks_its_users_for_cpp20_and_no_flags(tmp_path: Path) -> None:
    run_tool("cmake", "-G", "Ninja", "-S", ROOT, "-B", tmp_path, "-DSAME_PYTHON=OFF")
    exported = next(tmp_path.rglob("CMakeFiles/Export/**/same_targets.cmake")).read_text()
    assert "cxx_std_20" in exported
    assert not re.search(r"INTERFACE_COMPILE_OPTIONS|same_flags|-O3|-Wall", exported)


@pytest.fixture(scope="module")
def arm_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if any(shutil.which(t) is None for t in ("aarch64-linux-gnu-g++", "qemu-aarch64-static")):
        pytest.skip("needs g++-aarch64-linux-gnu and qemu-user-static")
    return _example(tmp_path_factory.mktemp("arm"), f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}")


def _run_on_arm(*command: object) -> str:
    return run_tool("qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", *command)


def test_on_64_bit_arm_it_prints_the_same(printed: str, arm_app: Path) -> None:
    program = arm_app / "network_inputs"
    assert "ARM aarch64" in run_tool("file", program) if shutil.which("file") else True
    assert _run_on_arm(program) == printed


def test_on_64_bit_arm_the_c_program_tracks_the_recording(
    app: Path, arm_app: Path, tmp_path: Path
) -> None:
    version = "onnxruntime==1.24.1"  # newer ones crash QEMU 7.2 when they are loaded
    platform = ("--platform", "manylinux_2_28_aarch64", "--only-binary=:all:", "--no-deps")
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", *platform, "-d", tmp_path, version],
        capture_output=True,
        text=True,
    )
    if fetched.returncode:
        pytest.skip(f"no {version} for ARM: {fetched.stderr.splitlines()[-1]}")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        name = next(n for n in wheel.namelist() if "capi/libonnxruntime.so" in n)
        library = wheel.extract(name, tmp_path)
    here = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
    raw = tmp_path / "demo.raw"
    run_tool(sys.executable, ROOT / "examples/native/write_raw.py", demo_recording(), raw, 24)
    expected = _joints(run_tool(app / "replay", demo_bundle(), raw, here))
    found = _joints(_run_on_arm(arm_app / "replay", demo_bundle(), raw, library))
    # Other kernels round differently; they must not track differently.
    assert found.shape == expected.shape and len(found) == 24 * len(JOINT_NAMES)
    assert np.linalg.norm(found - expected, axis=-1).max() < 1e-3


def _joints(printed: str) -> np.ndarray:
    lines = [line.split() for line in printed.splitlines() if line.startswith("  ")]
    return np.array([[float.fromhex(x) for x in numbers] for _, *numbers in lines])
