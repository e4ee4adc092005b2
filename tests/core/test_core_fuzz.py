"""libFuzzer on the core's edge, under AddressSanitizer and UBSan, where Clang is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("clang++") is None, reason="needs Clang, which has libFuzzer"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in (
        ["cmake", "--preset", "fuzz", "-B", str(folder)],
        ["cmake", "--build", str(folder)],
    ):
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "core_fuzz"


def test_no_sequence_of_calls_breaks_the_core(program: Path, tmp_path: Path) -> None:
    limits = [f"-max_total_time={SECONDS}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]
    done = subprocess.run(
        [str(program), *limits, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20 * SECONDS,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(tmp_path.iterdir())) > 100  # inputs that reached something new
