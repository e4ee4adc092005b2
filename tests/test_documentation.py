"""The site is built from the repository without a warning, and every code block on it is true."""

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import write_made_up

import same_runtime
from same_engines.errors import WITH_PYTORCH
from same_runtime import DevicePose, ImuFrame, SamePoseTracker, StereoFrame, TrackerOptions
from same_runtime.calibration.profile import UserProfile
from same_runtime.camera import CameraRig
from same_runtime.cli import command as command_line

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "model" / "MODEL_CARD.md",
    ROOT / "model" / "COMMANDS.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
RUN_ELSEWHERE = {"README.md": "test_readme.py", "docs/own_data.md": "test_own_data.py"}
"""Pages whose Python runs in a test of their own."""
OTHER_PROGRAMS = {"cp", "make", "pip", "python3", "torchrun", "openssl", ".venv/bin/python"}


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each block of code: between fences, or indented between blank lines."""
    text = page.read_text()
    yield from re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"(?<=\n\n)(?:    [^\n]+\n)+", outside):
        if not block.lstrip().startswith(("*", "-", "|")):
            yield "indented", re.sub("^    ", "", block, flags=re.MULTILINE)


def command_lines() -> list[tuple[str, str]]:
    """Page and every line of a block that is typed into a shell."""
    found = []
    for page in PAGES:
        for language, text in blocks(page):
            if language == "python":
                continue
            text = re.sub(r" *\\\n *", " ", text)  # lines that go on
            for name, value in re.findall(r"^([A-Z])=['\"]?([^'\"\n]*)['\"]?$", text, re.MULTILINE):
                text = text.replace(f"${name}", value)
            for line in text.splitlines():
                typed = re.fullmatch(r"(?:\$ )?((?:same-|torchrun |pip |make )\S.*)", line)
                if typed or line.startswith("$ "):
                    found.append((str(page.relative_to(ROOT)), (typed[1] if typed else line[2:])))
    assert len(found) > 40
    return found


def check_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command of the package parse its arguments, and do nothing."""
    (entry,) = (e for e in entry_points(group="console_scripts") if e.name == words[0])
    module = import_module(entry.module)
    for name in ("track", "export"):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, lambda options: 0)
    load = command_line.load
    is_action = re.compile(r":[a-z]")  # functions are written small, options' classes are not
    monkeypatch.setattr(
        command_line,
        "load",
        lambda place: (lambda options: 0) if is_action.search(place) else load(place),
    )
    monkeypatch.setattr(sys, "argv", words)
    try:
        code = entry.load()()
    except SystemExit as stop:
        code = stop.code
    assert not code, " ".join(words)


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_line_is_one(
    page: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    before_pipe = re.split(r" [|>] | && ", line)[0]
    words = [word for word in shlex.split(before_pipe, comments=True) if word != "..."]
    if words[0].startswith("same-"):
        check_command(words, monkeypatch)
        return
    assert words[0] in OTHER_PROGRAMS, f"{page}: {line}"
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in words[1:2])
    if words[:2] == ["pip", "install"]:
        named = re.findall(r"\.\[([\w,]+)\]", line)
        extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        assert all(extra in extras for group in named for extra in group.split(","))
        assert "same-runtime[" not in line, "is on no index"
        assert WITH_PYTORCH.isdisjoint(",".join(named).split(",")) or words[2] == "--constraint"
    if words[0] == "torchrun":
        program = words.index("$(which")
        assert words[program + 1] == "same-train)"
        check_command(["same-train", *words[program + 2 :]], monkeypatch)


def test_every_install_line_in_prose_names_a_pytorch_where_it_brings_one() -> None:
    for page in PAGES:
        for line in re.findall(r"`(pip install [^`]*)`", page.read_text()):
            for extras in re.findall(r"\.\[([\w,]+)\]", line):
                brings = not WITH_PYTORCH.isdisjoint(extras.split(","))
                assert not brings or "--constraint constraints.txt" in line, f"{page}: {line}"


def python_pages() -> list[Path]:
    return [
        page
        for page in PAGES
        if str(page.relative_to(ROOT)) not in RUN_ELSEWHERE
        and any(language == "python" for language, _ in blocks(page))
    ]


@pytest.mark.parametrize("page", python_pages(), ids=lambda page: page.stem)
def test_the_python_of_every_page_runs(
    page: Path, tiny_bundle: Path, small_rig: CameraRig, tmp_path: Path, monkeypatch
) -> None:
    """In the order of the page, with what a reader's application has at hand."""
    pytest.importorskip("pythonosc", reason="needs pip install .[xr]")
    pytest.importorskip("cryptography", reason="needs pip install .[signing]")
    monkeypatch.chdir(tmp_path)
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "model.same"))
    write_made_up(tmp_path / "recording.mcap", small_rig, 1.0)
    image = np.zeros((small_rig.left.height, small_rig.left.width), np.uint8)
    upright = np.array([0.0, 0.0, 0.0, 1.0])
    pose = (np.array([0.0, 1.6, 0.0]), upright)
    leg = (upright, np.zeros(3))

    def read_headset() -> Iterator[tuple]:
        for index in range(3):
            yield 10**9 + index * 33_000_000, image, image, pose, (pose, None), (leg, leg)

    with SamePoseTracker(bundle, small_rig, options=TrackerOptions(plant_feet=True)) as tracker:
        solved = tracker.push(StereoFrame(10**9, image, image), standing(10**9))
        monkeypatch.setattr(SamePoseTracker, "latest", lambda _: solved)
        names: dict[str, Any] = {
            **{name: getattr(same_runtime, name) for name in same_runtime.__all__},
            "UserProfile": UserProfile,
            "np": np,
            "time": time,
            "tracker": tracker,
            "bundle": bundle,
            "rig": small_rig,
            "recording": same_runtime.Recording(tmp_path / "recording.mcap"),
            "pose": solved,
            "frame": StereoFrame(2 * 10**9, image, image),
            "imu": standing(2 * 10**9),
            "read_headset": read_headset,
            "left_image": image,
            "right_image": image,
            "change_time_ns": 3 * 10**9,
            "position": pose[0],
            "quaternion": upright,
            "acceleration": np.zeros(3),
            "T_head_cam_left": small_rig.left.T_head_cam,
            "T_head_cam_right": small_rig.right.T_head_cam,
        }
        if "public_key" in page.read_text():
            names["public_key"] = sign(bundle, tmp_path)
        try:
            for language, code in blocks(page):
                if language == "python":
                    names["rig"] = names["rig"] if "640, 480" in code else small_rig
                    exec(compile(code, f"{page.name}", "exec"), names)
        finally:
            if names["tracker"] is not tracker:
                names["tracker"].close()


def standing(timestamp_ns: int) -> ImuFrame:
    head = DevicePose(np.array([0.0, 1.6, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    return ImuFrame(timestamp_ns, head, None, None, None, None)


def sign(bundle: Path, folder: Path) -> str:
    from signing_key import write_key

    from same_engines import Bundle
    from same_engines.bundle.signature import sign_bundle

    return sign_bundle(Bundle.open(bundle), write_key(folder / "key.pem"))


def test_every_extra_is_in_the_table() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "support.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE)) == set(
        project["optional-dependencies"]
    )


GENERATED = {"reference/commands.md", "reference/api.md", "reference/changelog.md"}


def test_every_link_leads_to_a_page_or_picture_of_the_site() -> None:
    docs = ROOT / "docs"
    for page in docs.rglob("*.md"):
        outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", outside):
            path = (page.parent / target).resolve()
            assert path.is_relative_to(docs), f"{page}: {target} is not on the site"
            assert path.is_file() or str(path.relative_to(docs)) in GENERATED, f"{page}: {target}"


def test_every_page_is_on_the_site() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    for page in (ROOT / "docs").rglob("*.md"):
        assert str(page.relative_to(ROOT / "docs")) in navigation, page


MODULES = {
    "cuda-python": "cuda",
    "nvidia-cuda-nvrtc": "cuda.core",  # which loads it
    "pyopenxr": "xr",
    "python-osc": "pythonosc",
    "rerun-sdk": "rerun",
    "tensorboard": "torch.utils.tensorboard",
}
"""What packages are imported by, where that is not their own name."""


def test_every_package_of_every_extra_is_used_by_code() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    folders = ("same_runtime", "engines", "export", "model", "benchmarks", "examples")
    code = "\n".join(f.read_text() for name in folders for f in (ROOT / name).rglob("*.py"))
    for extra, requirements in extras.items():
        for requirement in requirements if extra != "dev" else ():
            name = re.split(r"[>\[; ]", requirement)[0]
            module = re.escape(MODULES.get(name, name.replace("-", "_")))
            used = rf"""(import|from) {module}\b|["']{module}["']"""
            assert name == "same-runtime" or re.search(used, code), f"{extra}: {name}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs pip install .[dev]")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING" not in done.stderr
    commands = (tmp_path / "site" / "reference" / "commands" / "index.html").read_text()
    for line in ("same-data from-mcap", "same-train visual", "same-eval budget"):
        assert f">{line}" in commands
    api = (tmp_path / "site" / "reference" / "api" / "index.html").read_text()
    for name in same_runtime.__all__:
        assert name == "__version__" or f'id="same_runtime.{name}"' in api, name
