"""A folder of clips that cannot be used: each is one clear line, and nothing of it is written."""

import lzma
import re
from pathlib import Path

import pytest

from same_model.cli import data as cli
from same_model.data.sequence import find_sequences

BAD = {
    "empty.bvh": (lambda t: "", "HIERARCHY"),
    "missing_joints.bvh": (lambda t: t.replace("Thigh", "Thing"), "left_hip"),
    "zero_frames.bvh": (lambda t: t.replace("Frames: 300", "Frames: 0"), "Frames"),
    "nan_frames.bvh": (lambda t: t.replace("Frames: 300", "Frames: nan"), "Frames"),
    "commas.bvh": (lambda t: t.replace(".", ","), "decimal commas"),
    "backwards.bvh": (lambda t: t.replace("Frame Time:\t", "Frame Time:\t-"), "frame time"),
    "nan.bvh": (lambda t: t[:-30] + " nan" + t[-30:].lstrip("-.0123456789"), "non-finite"),
    "huge.bvh": (lambda t: re.sub(r"(OFFSET\s+)\S+", r"\g<1>1e200", t), "within 1e"),
    "two_roots.bvh": (lambda t: t.replace("MOTION", "ROOT b\n{\nOFFSET 0 0 0\n}\nMOTION"), "ROOT"),
    "many_joints.bvh": (lambda t: t.replace("JOINT abdomen", "JOINT a\n{\n" * 10**5), "512"),
    "cut.bvh": (lambda t: t[: t.rfind("\n", 0, len(t) // 2)], "300 frames"),
    "alone_01.amc": (lambda t: "1\nroot 0 0 0 0 0 0\n", "alone.asf"),
    "image.bvh": (lambda t: "\x89PNG\r\n\x1a\n\0\0", "HIERARCHY"),
}


@pytest.fixture(scope="module")
def good(shared_data: Path) -> str:
    with lzma.open(shared_data / "cmu-mocap" / "07_01.bvh.xz", "rt") as file:
        text = file.read()
    head, motion = text.split("MOTION")
    lines = motion.strip().splitlines()
    frames = [line for line in lines[2:] if line.strip()][:300]
    return f"{head}MOTION\nFrames: {len(frames)}\n{lines[1]}\n" + "\n".join(frames) + "\n"


def test_every_bad_clip_is_one_line_and_the_good_ones_are_made(
    tmp_path: Path, good: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    for name, (change, _) in BAD.items():
        (clips / name).write_text(change(good), encoding="latin-1")
    fine = {
        "plain.bvh": good.encode(),
        "bom.bvh": b"\xef\xbb\xbf" + good.encode(),
        "crlf.bvh": good.replace("\n", "\r\n").encode(),
        "blank.bvh": b"\n\n" + good.encode(),
    }
    for name, content in fine.items():
        (clips / name).write_bytes(content)
    arguments = ["synth", "--out", str(out), "--motion-dir", str(clips), "--workers", "1"]
    arguments += ["--no-render", "--max-seconds", "1.5", "--clips", "*", "--credit", "ours"]
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()
    for name, (_, word) in BAD.items():
        lines = [line for line in said if name in line]
        assert len(lines) == 1, (name, said)
        line = lines[0]
        assert "left out" in line and word in line and len(line) < 2000
    made = [path.name for path in find_sequences(out)]
    assert sorted(made) == sorted(f"{name.split('.')[0]}_v0" for name in fine)
    assert not [path for path in out.rglob("*partial*")]
