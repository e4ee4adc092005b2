"""What ships to a headset is tested as it is there: without PyTorch, ONNX or OpenCV."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow

REASONS = r"\bneed(s|ed)?\b|has a GPU|^no |is not installed"
TESTED = ("runtime", "engines", "core", "bench")


def test_the_runtimes_tests_pass_with_its_own_dependencies_only(environment) -> None:
    for package in ("torch", "onnx", "cv2", "safetensors"):
        assert environment.run("python", "-c", f"import {package}").returncode != 0
    found = environment.run(
        "python",
        "-m",
        "pytest",
        "-m",
        "not slow",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        ROOT,
        *(ROOT / "tests" / folder for folder in TESTED),
    )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-1000:]
    (passed,) = re.findall(r"(\d+) passed", found.stdout)
    assert int(passed) > 400
    # Every test that is left out says what it needs.
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+: (.*)$", found.stdout, re.MULTILINE)
    assert reasons
    for reason in reasons:
        assert re.search(REASONS, reason), reason
