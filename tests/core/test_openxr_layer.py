"""The OpenXR API layer under Khronos's loader: an app, a driver in it, and a runtime without a
headset (``cpp/openxr/test``)."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from native_build import BUILDS, run_tool
from scipy.spatial.transform import Rotation

from same_engines.bundle.manifest import MANIFEST_NAME, canonical_sha256
from same_runtime import Pose, PoseStatus
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording
from same_runtime.skeleton.openxr_joints import openxr_body
from same_runtime.skeleton.skeleton import Skeleton

ROOT = Path(__file__).resolve().parents[2]
LAYER = "XR_APILAYER_SAME_body_tracking"
BODY, HEADLESS, DEBUG = "XR_BD_body_tracking", "XR_MND_headless", "XR_EXT_debug_utils"
FRAMES = 60

pytestmark = BUILDS


class Xr(IntEnum):
    SUCCESS = 0
    VALIDATION_FAILURE = -1
    RUNTIME_FAILURE = -2
    FUNCTION_UNSUPPORTED = -7
    FEATURE_UNSUPPORTED = -8
    EXTENSION_NOT_PRESENT = -9
    LIMIT_REACHED = -10
    HANDLE_INVALID = -12
    TIME_INVALID = -30


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build's ``cpp/openxr``: the layer, its manifest, the app and the runtime."""
    probe = ["c++", "-x", "c++", "-include", "openxr/openxr.h", "-", "-lopenxr_loader"]
    build = tmp_path_factory.mktemp("openxr")
    if subprocess.run(
        [*probe, "-o", build / "probe"], input=b"int main() {}", capture_output=True
    ).returncode:
        pytest.skip("needs OpenXR's headers and loader (Debian: libopenxr-dev)")
    options = ("-DSAME_PYTHON=OFF", "-DSAME_OPENXR_LAYER=ON", "-DSAME_OPENXR_TEST=ON")
    strict = ("-DSAME_WERROR=ON", "-DCMAKE_BUILD_TYPE=Release")
    run_tool("cmake", "-G", "Ninja", "-S", ROOT, "-B", build, *options, *strict)
    targets = ("XrApiLayer_same_body_tracking", "stub_runtime", "openxr_app")
    run_tool("cmake", "--build", build, "--target", *targets)
    return build / "cpp" / "openxr"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's network, for the headset of its recording, as ``same-export --rig`` writes it."""
    folder = tmp_path_factory.mktemp("bundle") / "demo.same"
    shutil.copytree(demo_bundle(), folder)
    content = json.loads((folder / MANIFEST_NAME).read_text())
    del content["manifest_sha256"]
    rig = Recording(demo_recording()).rig
    assert rig is not None
    content["rig"] = rig.to_dict()
    content["manifest_sha256"] = canonical_sha256(content)
    (folder / MANIFEST_NAME).write_text(json.dumps(content))
    return folder


App = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def app(built: Path, bundle: Path, tmp_path: Path) -> App:
    """Runs the app with the layer enabled; keywords are environment variables, None unset."""

    def run(*arguments: object, **environment: object) -> subprocess.CompletedProcess[str]:
        library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": tmp_path,
            "OMP_NUM_THREADS": 1,
            "XR_RUNTIME_JSON": built / "test" / "stub_runtime.json",
            "XR_API_LAYER_PATH": built,
            "XR_ENABLE_API_LAYERS": LAYER,
            "SAME_OPENXR_BUNDLE": bundle,
            "SAME_OPENXR_ONNXRUNTIME": library,
        } | environment
        done = subprocess.run(
            [built / "test" / "openxr_app", *map(str, arguments)],
            env={name: str(value) for name, value in variables.items() if value is not None},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def _said(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """What the app printed, but for messages."""
    lines = (line.rpartition(" ") for line in done.stdout.splitlines() if "message" not in line)
    return {name: int(value) for name, _, value in lines}


def _created(done: subprocess.CompletedProcess[str]) -> tuple[int, Xr]:
    said = _said(done)
    return said["supportsBodyTracking"], Xr(said["xrCreateBodyTrackerBD"])


def test_an_app_that_asks_for_body_tracking_gets_it(app: App) -> None:
    done = app("create", HEADLESS, BODY)
    assert _created(done) == (1, Xr.SUCCESS)
    assert _said(done)["has a number"] == 1
    assert done.stderr == ""


def test_installed_for_every_app_it_is_listed_until_it_is_switched_off(
    app: App, built: Path, tmp_path: Path
) -> None:
    manifest = "XrApiLayer_same_body_tracking.json"
    folder = tmp_path / ".local" / "share" / "openxr" / "1" / "api_layers" / "implicit.d"
    folder.mkdir(parents=True)
    for path in (built / manifest, built / "libXrApiLayer_same_body_tracking.so"):
        shutil.copy(path, folder)
    of_no_list = {"XR_ENABLE_API_LAYERS": None, "XR_API_LAYER_PATH": None}
    done = app("create", BODY, **of_no_list)
    assert _said(done)["listed"] == 1 and _created(done) == (1, Xr.SUCCESS)
    off = _said(app("create", BODY, SAME_OPENXR_DISABLE=1, **of_no_list))
    assert off == {"listed": 0, "xrCreateInstance": Xr.EXTENSION_NOT_PRESENT}


def test_an_app_that_does_not_ask_is_left_alone(app: App) -> None:
    said = _said(app("create", HEADLESS))
    assert said["find xrCreateBodyTrackerBD"] == Xr.FUNCTION_UNSUPPORTED
    assert said["supportsBodyTracking"] == 7  # as the app left it


def test_a_runtime_that_tracks_bodies_itself_does_so(app: App) -> None:
    said = _said(app("create", BODY, STUB_HAS_BODY=1))
    assert said["xrCreateBodyTrackerBD"] == Xr.LIMIT_REACHED  # the stub's answer
    assert "has a number" not in said


@pytest.mark.parametrize("missing", [{"SAME_OPENXR_BUNDLE": None}, {"STUB_NO_TIME": 1}])
def test_without_a_bundle_or_a_clock_no_body_is_promised(
    app: App, missing: dict[str, object]
) -> None:
    done = app("create", BODY, **missing)
    assert _created(done) == (0, Xr.FEATURE_UNSUPPORTED)
    assert ("SAME_OPENXR_BUNDLE" in done.stderr) == ("SAME_OPENXR_BUNDLE" in missing)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("variable", ["SAME_OPENXR_BUNDLE", "SAME_OPENXR_ONNXRUNTIME"])
def test_what_is_named_and_missing_is_a_failure_in_one_line(
    app: App, tmp_path: Path, variable: str
) -> None:
    wrong = {variable: tmp_path / "nothing"}
    done = app("create", BODY, **wrong)
    assert _created(done) == (1, Xr.RUNTIME_FAILURE)
    assert done.stderr.startswith("same: xrCreateBodyTrackerBD: cannot open ")
    assert str(tmp_path / "nothing") in done.stderr and done.stderr.count("\n") == 1
    told = app("create", BODY, DEBUG, **wrong)
    (message,) = (line for line in told.stdout.splitlines() if line.startswith("message"))
    assert message == done.stderr.strip().replace("same:", "message", 1)


def test_wrong_uses_are_refused_as_the_specification_says(app: App) -> None:
    done = app("misuse")
    assert _said(done) == {
        "create: no session": Xr.HANDLE_INVALID,
        "create: no session of ours": Xr.HANDLE_INVALID,
        "create: no info": Xr.VALIDATION_FAILURE,
        "create: nowhere to write": Xr.VALIDATION_FAILURE,
        "create: joint set 0": Xr.VALIDATION_FAILURE,
        "create: joint set 3": Xr.VALIDATION_FAILURE,
        "create: wrong type": Xr.VALIDATION_FAILURE,
        "number before a tracker": 0,
        "number is the symbol's": 1,
        "number of no instance": 0,
        "locate: before any frame": Xr.SUCCESS,
        "locate: flags before any frame": 0,
        "locate: 16 joints of 16": Xr.SUCCESS,
        "locate: no tracker": Xr.HANDLE_INVALID,
        "locate: 16 joints of 24": Xr.VALIDATION_FAILURE,
        "locate: 24 joints of 16": Xr.VALIDATION_FAILURE,
        "locate: no info": Xr.VALIDATION_FAILURE,
        "locate: nowhere to write": Xr.VALIDATION_FAILURE,
        "locate: no joints": Xr.VALIDATION_FAILURE,
        "locate: wrong type": Xr.VALIDATION_FAILURE,
        "locate: time 0": Xr.TIME_INVALID,
        "locate: time -1": Xr.TIME_INVALID,
        "locate: time 1": Xr.TIME_INVALID,
        "locate: no space": Xr.HANDLE_INVALID,
        "locate: no space of ours": Xr.HANDLE_INVALID,
        "calls that failed in a storm": 0,
        "destroy: no tracker": Xr.HANDLE_INVALID,
        "destroy": Xr.SUCCESS,
        "destroy: again": Xr.HANDLE_INVALID,
        "number while one is left": 1,
        "locate: after its session": Xr.HANDLE_INVALID,
        "number after the session": 0,
        "the SDK's tracker is closed": -3,
        "closed by the driver": 0,
        "locate: closed by the driver": Xr.RUNTIME_FAILURE,
    }
    assert done.stderr.startswith("same: xrLocateBodyJointsBD: ") and done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("recording") / "demo.raw"
    run_tool(sys.executable, ROOT / "examples" / "native" / "write_raw.py", demo_recording(), raw)
    return raw


def _pose(numbers: list[float]) -> tuple[Pose, Skeleton]:
    """What ``same_at_time`` gave, as Python has it."""
    status, has_skeleton = int(numbers[0]), numbers[1]
    assert has_skeleton == 1
    parts = np.split(np.array(numbers[2:]), np.cumsum([22, 20, 66, 88]))
    joints, rotations, offsets = (parts[i].reshape(22, -1) for i in (2, 3, 4))
    still = np.zeros((22, 3))
    pose = Pose(
        status=tuple(PoseStatus)[status],
        joint_confidence=parts[0].astype(np.float32),
        device_orientations_world=parts[1].reshape(5, 4),
    )
    skeleton = Skeleton(
        0, joints, rotations, rotations, still, still, np.zeros(2), offsets, changed_count=1
    )
    return pose, skeleton


SPACES = {
    "stage": (Rotation.identity(), np.zeros(3)),
    "moved": (Rotation.from_quat((0, 0, 0.6, 0.8)), np.array((0.25, -1.0, 3.0))),
    "local": (Rotation.from_euler("y", 90, degrees=True), np.array((1.0, 0.5, -2.0))),
}
"""The base spaces' poses in the stage, as app and runtime have them."""


def _blocks(printed: str) -> Iterator[dict[str, list[float]]]:
    """One pose after the other, with what was located at its time in each space."""
    lines = [line.split() for line in printed.splitlines()]
    starts = [i for i, line in enumerate(lines) if line[0] == "pose"] + [len(lines)]
    for start, end in zip(starts, starts[1:], strict=False):
        yield {
            name: [float.fromhex(number) for number in numbers]
            for name, *numbers in lines[start:end]
        }


@pytest.mark.parametrize("environment", [{}, {"STUB_NO_STAGE": 1}], ids=["stage", "local floor"])
def test_joints_are_those_of_the_pose_at_that_time_in_the_space_asked_for(
    app: App, recording: Path, environment: dict[str, object]
) -> None:
    blocks = list(_blocks(app("track", recording, FRAMES, **environment).stdout))
    assert len(blocks) == FRAMES // 10
    pelvises = set()
    for block in blocks:
        body = openxr_body(*_pose(block["pose"]))
        assert body.flags.max() == 15  # the devices are worn
        for name, (turn, origin) in SPACES.items():
            tracked, *joints = block[name]
            flags, rotations, positions = np.split(np.reshape(joints, (24, 8)), (1, 5), axis=1)
            np.testing.assert_array_equal(flags[:, 0], body.flags)
            assert tracked == body.all_joint_poses_tracked
            wanted = turn.inv().apply(body.positions - origin)
            np.testing.assert_allclose(positions, wanted, rtol=0, atol=2e-6)
            turned = turn.inv() * Rotation.from_quat(body.orientations)
            away = turned * Rotation.from_quat(rotations).inv()
            assert away.magnitude().max() < 1e-5
            if name == "stage":
                np.testing.assert_array_equal(positions, body.positions.astype(np.float32))
                np.testing.assert_array_equal(rotations, body.orientations.astype(np.float32))
            assert block[f"{name}-without-arms"][1:] == joints[: 16 * 8]
            assert block[f"{name}-without-arms"][0] == all(flags[:16, 0] == 15)
        assert block["view"] == [0, *[0, 0, 0, 0, 1, 0, 0, 0] * 24]  # nobody knows where it is
        pelvises.add(tuple(body.positions[0]))
    assert len(pelvises) == len(blocks)


def test_the_layer_shows_the_loader_and_the_driver_one_function_each(built: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    layer = built / "libXrApiLayer_same_body_tracking.so"
    shown = {
        line.split()[-1] for line in run_tool("nm", "-D", "--defined-only", layer).splitlines()
    }
    assert shown == {"xrNegotiateLoaderApiLayerInterface", "same_openxr_tracker"}
