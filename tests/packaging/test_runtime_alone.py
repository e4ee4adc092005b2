"""What ships to a headset is tested as it is there: without PyTorch, ONNX or OpenCV."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

REASONS = r"\bneed(s|ed)?\b|has a GPU|^no |is not installed|could not import"
TESTED = ("tests/runtime", "tests/engines", "tests/core", "tests/bench")
PACKAGES = ("same_runtime", "engines", "export", "model", "benchmarks/same_bench")


@pytest.fixture
def tests_alone(environment) -> Path:
    """A copy of the checkout without the packages, so that only the installed ones are found."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a git checkout")
    for name in listed.stdout.splitlines():
        if not name.startswith(tuple(f"{package}/" for package in PACKAGES)):
            copy = environment.work / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy)
    return environment.work


def test_the_runtimes_tests_pass_with_its_own_dependencies_only(environment, tests_alone) -> None:
    for package in ("torch", "onnx", "cv2", "safetensors"):
        assert environment.run("python", "-c", f"import {package}").returncode != 0
    found = environment.run("python", "-m", "pytest", "-m", "not slow", "-q", *TESTED)
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-1000:]
    (passed,) = re.findall(r"(\d+) passed", found.stdout)
    assert int(passed) > 400
    # Every test that is left out says what it needs.
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+: (.*)$", found.stdout, re.MULTILINE)
    assert reasons
    for reason in reasons:
        assert re.search(REASONS, reason), reason
