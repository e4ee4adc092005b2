"""Every reason has its row in the documentation, with the status it brings."""

import dataclasses
import os
import pydoc
import re
import shutil
import subprocess
import sys
from pathlib import Path

import same_runtime
from same_runtime import LiveOptions, Pose, PoseStatus, Reason, TrackerOptions, _core

DOCS = Path(__file__).resolve().parents[2] / "docs" / "status.md"


def test_every_reason_is_documented_with_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", DOCS.read_text(), re.M)
    assert sorted(name for name, *_ in rows) == sorted(reason.name for reason in Reason)
    for name, status, meaning, remedy in rows:
        invalid = _core.makes_invalid(getattr(_core.Reason, name))
        assert status == ("INVALID" if invalid else "LIMITED"), name
        assert meaning.endswith(".") and remedy.endswith(".")


def test_a_pose_and_its_options_explain_themselves() -> None:
    pose = Pose(1_500_000_000, PoseStatus.LIMITED, (Reason.NO_IMAGES,))
    assert repr(pose) == (
        "Pose(1.500 s, LIMITED, NO_IMAGES, pelvis (0.00, 0.00, 0.00) m, head (0.00, 0.00, 0.00) m)"
    )
    for cls in (Pose, TrackerOptions, LiveOptions):
        shown = pydoc.render_doc(cls, renderer=pydoc.plaintext)
        for field in dataclasses.fields(cls):
            assert re.search(rf"    {field.name}: \S+", shown), f"{cls.__name__}.{field.name}"


def test_sources_without_their_core_say_so(tmp_path: Path) -> None:
    """As in a checkout's own folder, which Python finds before an installed package."""
    package = Path(same_runtime.__file__).parent
    left_out = shutil.ignore_patterns("*.so", "*.pyd", "demo_data")
    shutil.copytree(package, tmp_path / "same_runtime", ignore=left_out)
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import same_runtime"],  # -S: no installed packages
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    said = done.stderr.splitlines()[-1]
    assert "without its C++ core" in said and said.endswith(f"pip install -e '{tmp_path}'")
