"""``same-export --target`` on a machine with no GPU, with and without PyTorch."""

import shutil
from pathlib import Path

import pytest
from rtx import skip_without_rtx
from without_torch import same_export

from same_engines import Bundle
from same_engines.bundle.manifest import STAGES
from same_engines.bundle.plans import read_plans

_CTRL_C_WITHIN_FUSION = """
import os, signal
from rich.progress import Progress

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a script's background
update = Progress.update

def press(self, task, **told):
    update(self, task, **told)
    if "fusion" in told["description"] and told["completed"] % 1 > 0.3:
        os.kill(os.getpid(), signal.SIGINT)

Progress.update = press
"""


def test_a_bundle_is_compiled_without_a_gpu_or_pytorch(
    exported_bundle: Path, tmp_path: Path
) -> None:
    skip_without_rtx()
    folder = tmp_path / "tiny.same"
    shutil.copytree(exported_bundle, folder)
    made = same_export("--bundle", str(folder), "--target", "tensorrt-rtx", "--precision", "fp16")
    assert made.returncode == 0, made.stderr
    assert "plans for every RTX card" in " ".join(made.stdout.split())
    assert "100%" in made.stderr  # progress was shown
    plans = read_plans(Bundle.open(folder), "tensorrt-rtx")
    assert plans is not None
    assert {(plan.precision, plan.variant, plan.stage) for plan in plans.plans} == {
        ("fp16", "plugin", stage) for stage in STAGES
    }


def test_ctrl_c_stops_the_compiler_and_leaves_the_bundle(
    exported_bundle: Path, tmp_path: Path
) -> None:
    skip_without_rtx()
    folder = tmp_path / "tiny.same"
    shutil.copytree(exported_bundle, folder)
    stopped = same_export(
        "--bundle", str(folder), "--target", "tensorrt-rtx", before=_CTRL_C_WITHIN_FUSION
    )
    assert stopped.returncode == 130, stopped.stderr
    assert "same-export: interrupted" in stopped.stderr
    assert {file.name for file in folder.iterdir()} == {
        file.name for file in exported_bundle.iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name one checkpoint"),
        (("--bundle", "a.same", "--ckpt", "a.pt"), "name one checkpoint"),
        (("--bundle", "a.same"), "a bundle needs --target"),
        (("--bundle", "a.same", "--target", "tensorrt-rtx"), "bundle: no folder at a.same"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    if "--target" in arguments:
        skip_without_rtx()
    made = same_export(*arguments)
    assert made.returncode == 2
    assert said in made.stderr
    assert "Traceback" not in made.stderr
