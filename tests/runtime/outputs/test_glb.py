"""GLB files: read back by glTF's own rules, and by the Khronos validator."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from posed_bodies import body, random_turns
from scipy.spatial.transform import Rotation

from same_runtime import Pose, RecordingError, SkeletonSolver
from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_recording
from same_runtime.outputs import GlbFile
from same_runtime.recording import Recording

FACING_PLUS_Z = (-1.0, 1.0, -1.0)
COMPONENTS = {5126: "<f4", 5123: "<u2", 5121: "u1"}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Gltf:
    """The parts of a GLB file."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json = json.loads(data[20 : 20 + size])
        _, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0"
        self.binary = data[28 + size :]

    def array(self, accessor: int) -> np.ndarray:
        about = self.json["accessors"][accessor]
        view = self.json["bufferViews"][about["bufferView"]]
        dtype, width = np.dtype(COMPONENTS[about["componentType"]]), WIDTHS[about["type"]]
        flat = np.frombuffer(self.binary, dtype, about["count"] * width, view["byteOffset"])
        return flat.reshape(about["count"], width)

    def joints(self) -> tuple[np.ndarray, np.ndarray]:
        """Seconds (n,) and places (n, 22, 3) in our world, by walking the nodes."""
        nodes = self.json["nodes"]
        parents = {c: i for i, node in enumerate(nodes) for c in node.get("children", ())}
        animation = self.json["animations"][0]
        tracks = {}
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            seconds = self.array(sampler["input"])[:, 0]
            target = channel["target"]
            tracks[target["node"], target["path"]] = self.array(sampler["output"])
        places, turned = {}, {}
        for index in self.json["skins"][0]["joints"]:
            local = Rotation.from_quat(tracks[index, "rotation"])
            place = tracks.get((index, "translation"))
            if place is None:
                place = np.tile(nodes[index]["translation"], (len(seconds), 1))
            parent = parents.get(index)
            if parent is None:
                places[index], turned[index] = np.array(place, float), local
            else:
                places[index] = places[parent] + turned[parent].apply(place)
                turned[index] = turned[parent] * local
        names = {nodes[i]["name"]: i for i in places}
        stacked = np.stack([places[names[name]] for name in JOINT_NAMES], axis=1)
        return seconds, stacked * FACING_PLUS_Z


def write_demo(path: Path) -> tuple[list[Pose], np.ndarray]:
    """True poses of the shipped recording, and their joints as the solver gives them."""
    poses = [
        Pose(sample.timestamp_ns, joints_world=sample.value)
        for sample in Recording(demo_recording()).samples(("truth",))
    ]
    solver, held = SkeletonSolver(), []
    with GlbFile(path) as file:
        for pose in poses:
            file.send(pose)
            skeleton = solver.solve(pose)
            assert skeleton is not None
            held.append(skeleton.joints_world)
    return poses, np.stack(held)


def test_times_rise_over_a_jump_of_clocks(tmp_path: Path) -> None:
    with GlbFile(tmp_path / "a.glb") as file:
        for stamp_ns in (0, 11_111_111, 1_700_000_000_000_000_000, 1_700_000_000_011_111_111):
            file.send(body(timestamp_ns=stamp_ns))
    seconds, _ = Gltf(tmp_path / "a.glb").joints()
    np.testing.assert_allclose(seconds, 0.011111111 * np.arange(4), rtol=1e-5)


def test_random_poses_come_back_within_a_millimetre_at_their_times(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    times = np.cumsum(rng.integers(600_000_000, 900_000_000, 40))
    poses = [body(random_turns(rng), timestamp_ns=int(t)) for t in times]
    with GlbFile(tmp_path / "a.glb") as file:
        for pose in poses:
            file.send(pose)
    seconds, joints = Gltf(tmp_path / "a.glb").joints()
    np.testing.assert_allclose(seconds, 1e-9 * (times - times[0]), atol=1e-5)
    np.testing.assert_allclose(joints, [pose.joints_world for pose in poses], atol=1e-3)


def test_the_shipped_recording_comes_back_within_a_millimetre(tmp_path: Path) -> None:
    poses, held = write_demo(tmp_path / "demo.glb")
    _, joints = Gltf(tmp_path / "demo.glb").joints()
    np.testing.assert_allclose(joints, held, atol=1e-3)
    np.testing.assert_allclose(joints, [pose.joints_world for pose in poses], atol=1e-3)


def test_the_skin_binds_the_body_to_the_t_pose(tmp_path: Path) -> None:
    with GlbFile(tmp_path / "t.glb") as file:
        file.send(body())
    gltf = Gltf(tmp_path / "t.glb")
    _, joints = gltf.joints()
    rest = joints[0] * FACING_PLUS_Z
    inverse = gltf.array(gltf.json["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4)
    bound = -inverse[:, 3, :3]
    np.testing.assert_allclose(bound - bound[0], rest - rest[0], atol=1e-5)
    primitive = gltf.json["meshes"][0]["primitives"][0]
    vertices = gltf.array(primitive["attributes"]["POSITION"])
    assert gltf.array(primitive["indices"]).max() == len(vertices) - 1
    assert vertices[:, 1].min() > -0.05 and 1.5 < vertices[:, 1].max() < 2.0
    owners = gltf.array(primitive["attributes"]["JOINTS_0"])[:, 0]
    apart = np.linalg.norm(vertices - bound[owners], axis=1)
    assert apart.max() < 0.5 and set(owners) >= {0, 15, 20, 21}


def test_without_poses_there_is_no_file_and_a_bad_place_is_one_line(tmp_path: Path) -> None:
    with GlbFile(tmp_path / "none.glb") as file:
        file.send(Pose())
    assert not list(tmp_path.iterdir())
    with pytest.raises(RecordingError, match="cannot be written .*; choose another place"):
        GlbFile(tmp_path / "no" / "folder.glb")


VALIDATE = """
const validator = require('gltf-validator');
const bytes = new Uint8Array(require('fs').readFileSync(process.argv[1]));
validator.validateBytes(bytes).then(report => console.log(JSON.stringify(report)));
"""


@pytest.mark.slow
def test_the_khronos_validator_finds_nothing(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    install = [npm, "install", "--no-audit", "--no-fund", "gltf-validator@2.0.0-dev.3.10"]
    installed = subprocess.run(install, cwd=tmp_path, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip("needs the npm registry")
    write_demo(tmp_path / "demo.glb")
    command = ["node", "-e", VALIDATE, str(tmp_path / "demo.glb")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    issues = json.loads(done.stdout)["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


@pytest.mark.parametrize("place", [".", "", "a\0b"])
def test_a_folder_or_no_name_is_told_at_once(place: str) -> None:
    with pytest.raises(RecordingError, match="cannot be written .*; choose another place"):
        GlbFile(place)
