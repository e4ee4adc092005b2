"""The examples about avatars run, and do what they say."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from posed_bodies import body, random_turns
from recordings import write_made_up
from scipy.spatial.transform import Rotation

from same_runtime import JOINT_NAMES, InvalidInputError, SkeletonSolver, UserProfile
from same_runtime.camera import CameraRig
from same_runtime.outputs import BvhFile, GlbFile

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name: str) -> ModuleType:
    path = EXAMPLES / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recording_path(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Path:
    return write_made_up(tmp_path_factory.mktemp("recording") / "made-up.mcap", small_rig, 1.5)


def test_the_driver_template_tracks(
    tiny_bundle: Path, recording_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = example("driver_template.py")
    template.main(template.TemplateCommand(recording_path, tiny_bundle))
    told = capsys.readouterr().out
    for stream, count in (("head", 135), ("ctrl_left", 135), ("leg_right", 300), ("cameras", 45)):
        assert f"{stream}: {count} samples, 0 refused" in told
    assert " poses, the last " in told


def test_a_stream_that_breaks_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise OSError("unplugged")

    example("driver_template.py")._pump(iter(broken, None), print)
    assert "a stream ended" in caplog.text and "unplugged" in caplog.text


def test_the_vrchat_sender_sends(
    tmp_path: Path,
    tiny_bundle: Path,
    recording_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("pythonosc", reason="needs pip install .[xr]")
    from osc_receiver import OscReceiver

    sender = example("vrchat_sender.py")
    profile = tmp_path / "ada.json"
    UserProfile("Ada", height_m=1.6).save(profile)
    with OscReceiver() as vrchat:
        command = sender.SenderCommand(
            f"127.0.0.1:{vrchat.port}",
            avatar_height_m=1.2,
            profile=profile,
            recording=recording_path,
            bundle=tiny_bundle,
        )
        sender.send(command)
        addresses = {address for address, _ in vrchat.wait_for(100)}
    assert {f"/tracking/trackers/{name}/position" for name in ("1", "2", "3", "head")} <= addresses
    assert sender._scale(command, UserProfile.load(profile)) == pytest.approx(1.2 / 1.6)
    assert "poses sent" in capsys.readouterr().out
    with pytest.raises(InvalidInputError, match="give --user-height-m or a --profile too"):
        sender.send(sender.SenderCommand("127.0.0.1:9", avatar_height_m=1.2))


@pytest.mark.slow
def test_the_avatar_in_a_page_moves_as_the_body(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs pip install .[dev]")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium")
    web = example("web_avatar/web_avatar.py")
    pose = body(
        {
            "pelvis": Rotation.from_euler("y", 30, degrees=True),
            "left_shoulder": Rotation.from_euler("z", 70, degrees=True),
            "right_knee": Rotation.from_euler("x", -60, degrees=True),
        }
    )
    solver = SkeletonSolver()
    skeleton = solver.solve(pose)
    assert skeleton is not None
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page(viewport={"width": 700, "height": 600})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        server = web.AvatarServer(web._avatar(None), 0)
        page.goto(server.url)
        moved = web.Pose(**{**vars(pose), "skeleton": skeleton})
        for _ in range(200):
            server.send(moved)
            page.wait_for_timeout(50)
            if page.evaluate("Number(document.body.dataset.poses ?? 0)") > 3:
                break
        places = page.evaluate("bones()")
        page.screenshot(path=str(tmp_path / "avatar.png"))
        server.close()
        browser.close()
    assert errors == []
    found = np.array([places[name] for name in JOINT_NAMES]) * (-1.0, 1.0, -1.0)
    np.testing.assert_allclose(found, skeleton.joints_world, atol=2e-3)


def test_a_taken_port_and_a_missing_avatar_are_one_line(tmp_path: Path) -> None:
    web = example("web_avatar/web_avatar.py")
    server = web.AvatarServer(b"", 0)
    with pytest.raises(InvalidInputError, match="choose another"):
        web.AvatarServer(b"", int(server.url.rstrip("/").rpartition(":")[2]))
    server.close()
    with pytest.raises(InvalidInputError, match="--avatar .*none.glb: No such file"):
        web.show(web.AvatarCommand(avatar=tmp_path / "none.glb", port=0))


def files_of_a_motion(folder: Path) -> np.ndarray:
    """Writes motion.bvh and motion.glb at 120 Hz; the joints (n, 22, 3), world."""
    end = random_turns(np.random.default_rng(4))
    solver, joints = SkeletonSolver(), []
    with BvhFile(folder / "motion.bvh") as bvh, GlbFile(folder / "motion.glb") as glb:
        for index in range(61):
            turns = {
                name: Rotation.from_rotvec(index / 60 * turn.as_rotvec())
                for name, turn in end.items()
            }
            pose = body(turns, timestamp_ns=round(1e9 * (index + 1) / 120))
            skeleton = solver.solve(pose)
            assert skeleton is not None
            joints.append(skeleton.joints_world)
            bvh.send(pose)
            glb.send(pose)
    return np.stack(joints)


@pytest.mark.slow
def test_blender_has_every_joint_where_it_is(tmp_path: Path) -> None:
    """Blender wants another NumPy: it gets an environment of its own."""
    python = tmp_path / "blender" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "blender"], check=True)
    installed = subprocess.run([python, "-m", "pip", "install", "-q", "bpy"], capture_output=True)
    if installed.returncode:
        pytest.skip("needs bpy from the registry, for this version of Python")
    joints = files_of_a_motion(tmp_path)
    for kind in ("bvh", "glb"):
        told = tmp_path / f"{kind}.json"
        command = [python, EXAMPLES / "blender_import.py", tmp_path / f"motion.{kind}"]
        subprocess.run([*command, "--joints", told, "--save", tmp_path / "b.blend"], check=True)
        content = json.loads(told.read_text())
        np.testing.assert_allclose(content["seconds"], np.arange(61) / 120, atol=1e-4)
        places = np.array([[frame[name] for name in JOINT_NAMES] for frame in content["joints"]])
        x, y, z = np.moveaxis(places, -1, 0)  # Blender's: z up; its file's: y up, facing +z
        np.testing.assert_allclose(np.stack((-x, z, y), axis=-1), joints, atol=1e-3)
    assert (tmp_path / "b.blend").stat().st_size > 10_000
    wrong = subprocess.run([python, command[1], tmp_path / "b.blend"], capture_output=True)
    assert wrong.returncode == 2 and b"expected a .bvh or .glb file" in wrong.stderr
