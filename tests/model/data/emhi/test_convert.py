"""EMHI's exact format, written by the tests themselves."""

import json
import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csc_matrix
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.cli import data as cli
from same_model.data.emhi.annotations import read_annotation
from same_model.data.emhi.convert import EmhiReport, convert_emhi, read_split_file, read_subject
from same_model.data.emhi.smpl import load_smpl
from same_model.data.emhi.unpickle import load_object_array
from same_model.data.inspect import inspect
from same_model.data.rig import emhi_like_rig
from same_model.data.sequence import find_sequences, open_sequence
from same_runtime.conventions import JOINT_PARENTS

VERTICES = 60


def _smpl_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    template = rng.normal(size=(VERTICES, 3)) * (0.2, 0.5, 0.1)
    directions = 0.01 * rng.normal(size=(VERTICES, 3, 10))
    regressor = rng.dirichlet(np.ones(VERTICES) * 0.05, size=24)
    return {"v_template": template, "shapedirs": directions, "J_regressor": regressor}


@pytest.fixture
def smpl_file(tmp_path: Path) -> Path:
    path = tmp_path / "SMPL_NEUTRAL.npz"
    np.savez(path, **_smpl_arrays())
    return path


def _wxyz(turn: Rotation) -> np.ndarray:
    return turn.as_quat()[[3, 0, 1, 2]]


def _record(frame: int) -> dict:  # type: ignore[type-arg]
    rng = np.random.default_rng(frame)
    head = Rotation.from_euler("yx", [0.02 * frame, -0.1], degrees=False)
    position = np.array([0.01 * frame, 1.6, 0.0])
    T_world_head = np.eye(4)
    T_world_head[:3, :3], T_world_head[:3, 3] = head.as_matrix(), position
    extrinsics = {}
    for view, camera in enumerate(emhi_like_rig().cameras):
        T = np.linalg.inv(T_world_head @ camera.T_head_cam)
        T[3] = (1e-9, -2e-9, 0.0, 1.0000001)  # numerically off, as in the release
        extrinsics[f"cam{view}"] = T
    p2d = rng.uniform(0, 480, (2, 22, 2))
    p2d[:, :7] = -1
    imu = {"head_pos": position, "head_rot": _wxyz(head), "head_acc": rng.normal(size=3)}
    for side in ("left", "right"):
        hand = position + rng.normal(0, 0.1, 3)
        imu |= {
            f"{side}_hand_pos": hand,
            f"{side}_hand_rot": _wxyz(Rotation.random(random_state=rng)),
            f"{side}_hand_acc": hand.copy() if side == "left" else rng.normal(size=3),
            f"{side}_leg_rot": _wxyz(Rotation.random(random_state=rng)),
            f"{side}_leg_acc": rng.normal(size=3),
        }
    return {
        "smpl": {
            "R": np.array([0.0, 0.02 * frame, 0.0]),
            "pose": 0.1 * rng.normal(size=69),
            "shape": 0.5 * rng.normal(size=10),
            "t": np.array([0.01 * frame, 0.9, 0.0]),
        },
        "p2d": p2d,
        "extrinsics": extrinsics,
        "IMU": imu,
    }


def _write_subject(root: Path, name: str, frames: list[int]) -> Path:
    subject = root / name
    (subject / "annots").mkdir(parents=True)
    for view in (0, 1):
        (subject / "camera" / f"cam{view}").mkdir(parents=True)
    for frame in frames:
        np.save(subject / "annots" / f"{frame:06d}.npy", _record(frame), allow_pickle=True)
        for view in (0, 1):
            picture = Image.fromarray(np.full((480, 640), (frame * 10 + view) % 256, np.uint8))
            picture.save(subject / "camera" / f"cam{view}" / f"{frame:06d}.png")
    return subject


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "EMHI"
    _write_subject(root, "P01", [3, 4, 5, 9, 10, 11, 12])
    _write_subject(root, "P02", [0, 1, 2])
    _write_subject(root, "P03", [0, 1])
    return root


@pytest.fixture
def split_file(tmp_path: Path) -> Path:
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"train": ["P01"], "protocol1": ["P02"], "protocol2": []}))
    return path


def _convert(release: Path, out: Path, smpl: Path, split: Path) -> dict[str, EmhiReport]:
    return {r.subject: r for r in convert_emhi(release, out, smpl, split)}


def test_conversion_keeps_truth_and_reports_every_known_defect(
    release: Path, tmp_path: Path, smpl_file: Path, split_file: Path
) -> None:
    out = tmp_path / "out"
    reports = _convert(release, out, smpl_file, split_file)
    assert reports["P01"].kept == 7 and reports["P01"].sequences == 2
    assert any("left_hand_acc" in d for d in reports["P01"].defects)
    assert any("gap in the frame ids" in d for d in reports["P01"].defects)
    assert any("inexact last row" in d for d in reports["P01"].defects)
    assert any("does not name" in d for d in reports["P03"].defects)
    assert [p.relative_to(out).as_posix() for p in find_sequences(out)] == [
        "protocol1/P02_000000",
        "train/P01_000003",
        "train/P01_000009",
    ]

    s = open_sequence(out / "train" / "P01_000009")
    record = _record(10)
    np.testing.assert_array_equal(s.images[1, 1], np.full((480, 640), 101, np.uint8))
    head = s.sensed_orientation[1, 0]
    np.testing.assert_allclose(head[[3, 0, 1, 2]], record["IMU"]["head_rot"], atol=1e-6)
    np.testing.assert_allclose(s.sensed_position[1, 1], record["IMU"]["left_hand_pos"])
    np.testing.assert_allclose(
        s.sensed_acceleration[1, 1], record["IMU"]["right_leg_acc"], atol=1e-6
    )
    T = np.linalg.inv(record["extrinsics"]["cam0"])
    np.testing.assert_allclose(s.T_world_cam_left[1], T, atol=1e-5)
    np.testing.assert_array_equal(s.visible[1, :, :7], 0)
    np.testing.assert_allclose(s.joints_2d[1, :, 7:], record["p2d"][:, 7:], rtol=1e-6)
    steps = np.diff(s.timestamps_ns)
    np.testing.assert_allclose(steps, 1e9 / 30, atol=1)
    # The mounting is recovered from the frames themselves.
    np.testing.assert_allclose(s.rig.right.T_head_cam, emhi_like_rig().right.T_head_cam, atol=1e-4)
    assert not [f for f in out.rglob("*") if "smpl" in f.name.lower() or f.suffix == ".pkl"]


def test_joints_are_those_of_the_users_smpl_model(
    release: Path, tmp_path: Path, smpl_file: Path, split_file: Path
) -> None:
    _convert(release, tmp_path / "out", smpl_file, split_file)
    s = open_sequence(tmp_path / "out" / "train" / "P01_000003")
    record, arrays = _record(4)["smpl"], _smpl_arrays()
    shaped = arrays["v_template"] + arrays["shapedirs"] @ record["shape"]
    rest = arrays["J_regressor"] @ shaped
    pose = np.concatenate([record["R"], record["pose"]]).reshape(24, 3)
    T = np.tile(np.eye(4), (22, 1, 1))
    for j in range(22):
        p = JOINT_PARENTS[j]
        step = np.eye(4)
        step[:3, :3] = Rotation.from_rotvec(pose[j]).as_matrix()
        step[:3, 3] = rest[j] - (rest[p] if p >= 0 else 0)
        T[j] = T[p] @ step if p >= 0 else step
    np.testing.assert_allclose(s.joints_world[1], T[:, :3, 3] + record["t"], atol=1e-5)


def test_the_official_pickle_is_read_without_running_it(tmp_path: Path) -> None:
    arrays = _smpl_arrays()
    npz = tmp_path / "m.npz"
    np.savez(npz, **arrays)
    plain = load_smpl(npz)
    # chumpy objects are recorded by class name; a stand-in of that name writes the same bytes.
    import sys
    import types

    chumpy = types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x: np.ndarray) -> None:
            self.x = x

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    chumpy.Ch = Ch  # type: ignore[attr-defined]
    sys.modules["chumpy"], sys.modules["chumpy.ch"] = types.ModuleType("chumpy"), chumpy
    try:
        content = {
            "v_template": arrays["v_template"],
            "shapedirs": Ch(arrays["shapedirs"]),
            "J_regressor": csc_matrix(arrays["J_regressor"]),
        }
        for protocol in (0, 2):
            path = tmp_path / f"m{protocol}.pkl"
            path.write_bytes(pickle.dumps(content, protocol=protocol))
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]
    for protocol in (0, 2):
        packed = load_smpl(tmp_path / f"m{protocol}.pkl")
        np.testing.assert_allclose(packed.rest, plain.rest)
        np.testing.assert_allclose(packed.directions, plain.directions)


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return Path.write_text, (self.marker, "boom")


def test_a_pickle_with_code_is_refused_and_not_run(
    release: Path, tmp_path: Path, smpl_file: Path, split_file: Path
) -> None:
    marker = tmp_path / "marker"
    evil = release / "P02" / "annots" / "000001.npy"
    record = _record(1)
    record["IMU"]["extra"] = _Bomb(marker)
    np.save(evil, np.array(record, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="refused to load"):
        load_object_array(evil)
    reports = _convert(release, tmp_path / "out", smpl_file, split_file)
    assert any("refused to load" in d for d in reports["P02"].defects)
    model = tmp_path / "evil.pkl"
    model.write_bytes(pickle.dumps({"v_template": _Bomb(marker)}))
    with pytest.raises(DataError, match="refused"):
        load_smpl(model)
    assert not marker.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("IMU"),
        lambda r: r["smpl"].update(pose=np.zeros(7)),
        lambda r: r["smpl"].update(t=np.array([np.nan, 0, 0])),
        lambda r: r["extrinsics"].update(cam1=np.zeros((4, 4))),
        lambda r: r["IMU"].update(left_leg_acc="none"),
    ],
)
def test_an_unusable_annotation_is_named_and_skipped(release: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    record = _record(4)
    spoil(record)
    path = release / "P01" / "annots" / "000004.npy"
    np.save(path, np.array(record, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"000004\.npy"):
        read_annotation(path, Counter())
    report = EmhiReport("P01")
    runs = read_subject(release / "P01", report)
    assert [f.frame_id for r in runs for f in r] == [9, 10, 11, 12]
    assert any("unusable frame" in d for d in report.defects)


def test_truncated_files_and_lost_images_are_survived(release: Path) -> None:
    path = release / "P01" / "annots" / "000010.npy"
    path.write_bytes(path.read_bytes()[:400])
    (release / "P01" / "camera" / "cam1" / "000004.png").unlink()
    report = EmhiReport("P01")
    runs = read_subject(release / "P01", report)
    assert [[f.frame_id for f in r] for r in runs] == [[11, 12]]
    assert sum(v for k, v in report.defects.items() if "unusable" in k) == 2


def test_a_lost_device_is_missing_not_wrong(release: Path) -> None:
    record = _record(4)
    record["IMU"]["left_hand_rot"] = np.zeros(4)
    path = release / "P01" / "annots" / "000004.npy"
    np.save(path, np.array(record, dtype=object), allow_pickle=True)
    defects: Counter[str] = Counter()
    frame = read_annotation(path, defects)
    assert not frame.orientations_xyzw[1].any() and "left_hand_rot" in str(defects)


def test_inspect_reads_the_release_and_the_conversion(
    release: Path, tmp_path: Path, smpl_file: Path, split_file: Path
) -> None:
    report = inspect(release)
    assert "wxyz as expected" in report and "gap in the frame ids" in report
    assert "left_hand_acc" in report and "headset in cam0 [0.1, 0.078, -0.071]" in report
    _convert(release, tmp_path / "out", smpl_file, split_file)
    assert "sequences 3" in inspect(tmp_path / "out")


def test_the_command_converts_again_without_redoing(
    release: Path,
    tmp_path: Path,
    smpl_file: Path,
    split_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    arguments = [
        "convert-emhi",
        str(release),
        "--out",
        str(out),
        "--smpl",
        str(smpl_file),
        "--split-file",
        str(split_file),
    ]
    assert cli.main(arguments) == 0
    stamp = (out / "train" / "P01_000003" / "images.npy").stat().st_mtime_ns
    assert cli.main(arguments) == 0
    assert (out / "train" / "P01_000003" / "images.npy").stat().st_mtime_ns == stamp
    shutil.rmtree(out / "train" / "P01_000003")
    assert cli.main(arguments) == 0
    assert (out / "train" / "P01_000003").is_dir()
    capsys.readouterr()
    for position, name in ((5, "absent-smpl.npz"), (7, "absent-split.json")):
        bad = list(arguments)
        bad[position] = str(tmp_path / name)
        assert cli.main(bad) == 2
        assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ['{"train": ["P01"], "protocol1": ["P01"]}', "{}", "[]", "not json"]
)
def test_a_wrong_split_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "split.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"split\.json"):
        read_split_file(path)
