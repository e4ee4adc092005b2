from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth import made
from same_model.synth.made import MadeOf
from same_model.synth.motion.capture.asf_amc import read_amc
from same_model.synth.plan import Job

ASF = """# made by hand
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name femur
    direction 0.6 -0.8 0
    length 5
    axis 0 0 20 XYZ
    dof rx ry rz
    limits (-160.0 20.0)
  end
  begin
    id 2
    name tibia
    direction 0 -1 0
    length 4
    axis 90 0 0 XYZ
    dof rx
  end
:hierarchy
  begin
    root femur
    femur tibia
  end
"""
AMC = """#!OML
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 10 20 30
femur 5 6 7
tibia 90
2
root 0 0 0 0 0 0
femur 0 0 0
tibia 0
"""


def _write(folder: Path, asf: str = ASF, amc: str = AMC) -> Path:
    (folder / "9.asf").write_text(asf)
    path = folder / "9_01.amc"
    path.write_text(amc)
    return path


def test_bones_become_joints_that_turn_in_the_bones_own_axes(tmp_path: Path) -> None:
    clip = read_amc(_write(tmp_path))
    assert (clip.fps, read_amc(_write(tmp_path), fps=60).fps) == (120, 60)
    assert clip.names == ("root", "femur", "tibia") and clip.parents == (-1, 0, 1)
    np.testing.assert_allclose(clip.offsets, [[0, 0, 0], [0, 0, 0], [3, -4, 0]])
    np.testing.assert_allclose(clip.ends[2], [0, -4, 0])
    np.testing.assert_allclose(clip.root_positions, [[1, 2, 3], [0, 0, 0]])
    placed, turned = clip.poses()
    np.testing.assert_allclose(placed[1, 2], [3, -4, 0], atol=1e-12)  # at rest
    np.testing.assert_allclose(turned[1], np.tile([0, 0, 0, 1], (3, 1)), atol=1e-12)

    def x(a: float) -> np.ndarray:
        return Rotation.from_euler("x", a, degrees=True).as_matrix()

    def y(a: float) -> np.ndarray:
        return Rotation.from_euler("y", a, degrees=True).as_matrix()

    def z(a: float) -> np.ndarray:
        return Rotation.from_euler("z", a, degrees=True).as_matrix()

    root = z(30) @ y(20) @ x(10)
    femur = root @ z(20) @ (z(7) @ y(6) @ x(5)) @ z(-20)
    np.testing.assert_allclose(placed[0, 2], [1, 2, 3] + femur @ [3, -4, 0])
    tibia = femur @ x(90) @ x(90) @ x(-90)
    np.testing.assert_allclose(Rotation.from_quat(turned[0, 2]).as_matrix(), tibia, atol=1e-12)


def test_an_amc_is_another_one_with_another_skeleton_or_rate(tmp_path: Path) -> None:
    def made_of(asf: str, fps: float) -> MadeOf:
        job = Job("train", "own-v1", "walk", "p", 0, _write(tmp_path, asf), amc_fps=fps)
        return made._made_of(job)

    first = made_of(ASF, 120.0)
    assert made_of(ASF, 120.0) == first
    for other in (made_of(ASF, 60.0), made_of(ASF.replace("deg", "rad"), 120.0)):
        assert {name for name in first if first[name] != other[name]} == {"clip"}


@pytest.mark.parametrize(
    ("asf", "amc", "message"),
    [
        (lambda t: t.replace(":hierarchy", ":tree"), lambda t: t, "hierarchy"),
        (lambda t: t.replace("length 5", "length five"), lambda t: t, "femur: length"),
        (lambda t: t.replace("length 5", ""), lambda t: t, "femur: length"),
        (lambda t: t.replace("dof rx ry rz", "dof rx qy"), lambda t: t, "freedom"),
        (lambda t: t.replace("femur tibia", "fibula tibia"), lambda t: t, "hierarchy"),
        (lambda t: t.replace("name tibia", "name femur"), lambda t: t, "twice"),
        (lambda t: t.replace("axis 0 0 20 XYZ", "axis 0 0 20 XXZ"), lambda t: t, "axis"),
        (lambda t: t, lambda t: t.replace("femur 5 6 7", "femur 5 6"), "3 values"),
        (lambda t: t, lambda t: t.replace("femur 5 6 7", "femur 5 6,5 7"), "decimal commas"),
        (lambda t: t, lambda t: t.replace("femur 5 6 7", "femur 5 nan 7"), "non-finite"),
        (lambda t: t, lambda t: t.replace("tibia 90\n", ""), "tibia is missing"),
        (lambda t: t, lambda t: t.replace("tibia 90", "fibula 90"), "fibula"),
        (lambda t: t, lambda t: t.split("1\nroot")[0], "no frames"),
        (lambda t: t, lambda t: "", "no frames"),
        (lambda t: "", lambda t: t, ":units"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(tmp_path: Path, asf, amc, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message) as caught:
        read_amc(_write(tmp_path, asf(ASF), amc(AMC)))
    assert "9.asf" in str(caught.value) or "9_01.amc" in str(caught.value)


def test_an_amc_without_its_asf_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "9_01.amc"
    path.write_text(AMC)
    with pytest.raises(DataError, match=r"put 9\.asf"):
        read_amc(path)
    (tmp_path / "someone.asf").write_text(ASF)
    assert read_amc(path).frames == 2  # the only one there
