"""Trains on a machine that reaches no package registry; ``same-train pack`` puts this beside its
parts as ``start.py``, where it needs nothing but Python.

    python3 start.py --work WORK --out OUT --minutes 5.5 [options of same-train all]

unpacks the parts into WORK, goes on with the run in WORK/run for so many minutes, and writes what
came out (weights, figures, the state of a stage that is not done) to OUT in pieces.
"""

import argparse
import contextlib
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PARTS = "parts.json"
_RECORDING_STEPS = (
    "motion",
    "images",
    "fresh_images",
    "varied_images",
    "headset_rate",
    "test",
)


class SplitWriter(io.RawIOBase):
    """A stream that goes to files PREFIX-00, PREFIX-01 and so on, none of over ``limit`` bytes."""

    def __init__(self, folder: Path, prefix: str, limit: int) -> None:
        self._folder, self._prefix, self._limit = folder, prefix, limit
        self._file: Any = None
        self._hash = hashlib.sha256()
        self._left = 0
        self._sha256: dict[str, str] = {}

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        rest = memoryview(content)
        while rest:
            if not self._left:
                self._end_file()
                name = f"{self._prefix}-{len(self._sha256):02d}"
                self._file, self._left = (self._folder / name).open("wb"), self._limit
                self._hash, self._sha256[name] = hashlib.sha256(), ""
            part, rest = rest[: self._left], rest[self._left :]
            self._file.write(part)
            self._hash.update(part)
            self._left -= len(part)
        return len(memoryview(content))

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._sha256[Path(self._file.name).name] = self._hash.hexdigest()

    def finish(self, python: str = "") -> list[Path]:
        """Write the list of the files, with their hashes, and return them all. ``python``: the
        version that they are for, such as 3.12, if it matters."""
        self._end_file()
        listing = self._folder / PARTS
        listing.write_text(json.dumps({"python": python, "sha256": self._sha256}, indent=1))
        return [*(self._folder / name for name in self._sha256), listing]


@contextlib.contextmanager
def open_archive(writer: SplitWriter) -> Iterator[tarfile.TarFile]:
    """An archive to add files to, packed with gzip."""
    with (
        gzip.GzipFile(fileobj=writer, mode="wb", compresslevel=1, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        yield archive


class _JoinedFiles(io.RawIOBase):
    """Files as one stream."""

    def __init__(self, paths: list[Path]) -> None:
        self._waiting = list(paths)
        self._file: Any = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._file is None:
                if not self._waiting:
                    return b""
                self._file = self._waiting.pop(0).open("rb")
            content = bytes(self._file.read(size))
            if content:
                return content
            self._file.close()
            self._file = None


def unpack(folder: Path, into: Path) -> None:
    """Unpack what ``SplitWriter`` wrote. Raises ``ValueError`` for parts absent or damaged."""
    listing = folder / PARTS
    if not listing.is_file():
        raise ValueError(f"{folder}: no {PARTS} in it")
    paths = []
    for name, expected in json.loads(listing.read_text())["sha256"].items():
        path = folder / name
        if not path.is_file():
            raise ValueError(f"{path}: absent; bring every part")
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise ValueError(f"{path}: damaged; bring it again")
        paths.append(path)
    with tarfile.open(fileobj=_JoinedFiles(paths), mode="r|gz") as archive:
        archive.extractall(into, filter="data")


def collect(run: Path, out: Path, limit: int) -> list[Path]:
    """Write what is worth keeping of ``run`` to ``out`` in files of at most ``limit`` bytes."""
    progress = run / "progress.json"
    content = json.loads(progress.read_text()) if progress.exists() else {}
    finished = content.get("finished", [])
    # The recordings stay behind: where the run goes on, they are made again.
    kept = [step for step in finished if step not in _RECORDING_STEPS]
    out.mkdir(parents=True, exist_ok=True)
    writer = SplitWriter(out, "run", limit)
    with open_archive(writer) as archive:
        whole = run / "whole_run.json"
        if whole.exists():
            archive.add(whole, whole.name)
        text = json.dumps({**content, "finished": kept, "reached": {}}).encode()
        entry = tarfile.TarInfo("progress.json")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
        for stage in ("inertial", "visual", "fusion", "end_to_end", "temporal"):
            done = stage in finished
            names = ("config.json", "losses.csv", "losses.png")
            for name in (*names, "model.safetensors" if done else "state.pt"):
                if (run / stage / name).exists():
                    archive.add(run / stage / name, f"{stage}/{name}")
    return writer.finish()


def _prepare(parts: Path, work: Path) -> Path:
    """Unpack ``parts`` into ``work``, once, and return the folder."""
    if not (parts / PARTS).is_file():
        raise ValueError(f"{parts}: no {PARTS} in it")
    listing = (parts / PARTS).read_bytes()
    digest, wanted = hashlib.sha256(listing).hexdigest()[:16], json.loads(listing)["python"]
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if wanted != here:
        raise ValueError(f"packed for Python {wanted}, this is {here}; pack it with --python")
    packed = work / f"packed-{digest}"
    if not packed.exists():
        partial = work / "unpacking"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        unpack(parts, partial)
        partial.rename(packed)
    run = work / "run"
    if (packed / "run").is_dir() and not run.exists():
        shutil.copytree(packed / "run", run)
    return packed


def _train(packed: Path, work: Path, minutes: float, rest: list[str]) -> int:
    # Ours before anything of that name; of the others' the machine's own copies first.
    sys.path.insert(0, str(packed / "ours"))
    sys.path.append(str(packed / "theirs"))
    from same_model.training.whole_run.config import WholeRunConfig
    from same_model.training.whole_run.run import train_all
    from same_runtime.cli.command import run_command

    given = ["--out", str(work / "run"), "--minutes", str(minutes)]
    if (packed / "motion").is_dir():
        given += ["--motion", str(packed / "motion")]
    for option in ("init", "split-file", "joint-map"):
        for path in (packed / option).glob("*"):
            given += [f"--{option}", str(path)]
    if "--until" not in rest:
        given += ["--until", "temporal"]
    return run_command("same-train all", WholeRunConfig, train_all, [*given, *rest])


def main() -> int:
    """Entry point of ``start.py``."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Other options: same-train all.")
    parser.add_argument("--work", type=Path, required=True, help="folder for everything, kept")
    parser.add_argument("--out", type=Path, required=True, help="folder for what comes out")
    parser.add_argument("--minutes", type=float, default=5.5, help="stop after about so many")
    parser.add_argument("--piece-mb", type=float, default=15.0, help="largest file in --out, MB")
    options, rest = parser.parse_known_args()
    if not 0.001 <= options.piece_mb <= 1e6:
        parser.error(f"argument --piece-mb: expected 0.001 to 1000000, got {options.piece_mb}")
    try:
        packed = _prepare(Path(__file__).resolve().parent, options.work)
    except ValueError as error:
        print(f"start.py: {error}", file=sys.stderr)
        return 2
    code = _train(packed, options.work, options.minutes, rest)
    pieces = collect(options.work / "run", options.out, int(1e6 * options.piece_mb))
    total = sum(path.stat().st_size for path in pieces) / 1e6
    print(f"{options.out}: {len(pieces)} files, {total:.0f} MB; next: same-train unpack")
    return code


if __name__ == "__main__":  # the processes that render import this file too
    sys.exit(main())
