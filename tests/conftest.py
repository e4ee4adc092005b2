"""Fixtures that several test folders share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_rig import make_small_rig

from same_runtime.camera import CameraRig

REPO_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real motion and headset data beside the checkout; skips where it is absent."""
    folder = REPO_ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no shared data beside this checkout")
    return folder


@pytest.fixture(scope="session", autouse=True)
def compiled_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the engines compile out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAME_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def small_rig() -> CameraRig:
    """A 128x96 rig that looks down and forward."""
    return make_small_rig()


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    """A bundle of the smallest network with both precisions; copy it before changing it."""
    return Path(__file__).parent / "fixtures" / "tiny.same"


@pytest.fixture(scope="session")
def exported_bundle(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Path:
    """What ``same-export`` makes of the tiny network now; copy it before changing it."""
    pytest.importorskip("torch", reason="needs pip install .[export]")
    from tiny_model import tiny_model

    from same_export.write_bundle import write_bundle

    folder = tmp_path_factory.mktemp("bundle") / "tiny.same"
    write_bundle(tiny_model(), "0" * 64, small_rig, folder)
    return folder


@pytest.fixture(scope="session")
def npu_bundle(exported_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported bundle compiled for XR2 Gen 2 with few frames; copy it before changing it."""
    from npu import needs_qnn

    needs_qnn()
    from same_engines import Bundle
    from same_export.qnn.build import build_and_write
    from same_runtime.demo import demo_recording
    from same_runtime.recording import Recording

    folder = tmp_path_factory.mktemp("npu") / "tiny.same"
    shutil.copytree(exported_bundle, folder)
    build_and_write(
        Bundle.open(folder),
        "qnn-xr2gen2",
        Recording(demo_recording()),
        check_frames=2,
        calibration_frames=4,
    )
    return folder
