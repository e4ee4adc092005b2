"""Packs everything that a whole run needs for a machine that reaches no package registry."""

import importlib.util
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Final

import tyro

from same_engines.atomic_files import told_disk, whole_folder
from same_engines.errors import DataError, InvalidInputError
from same_engines.field_checks import check_ranges
from same_model.synth.motion.splits import load_split
from same_model.synth.plan import ENDINGS
from same_model.training.whole_run import bare_machine

_OURS: Final = ("same_engines", "same_runtime", "same_model")
_NEEDED: Final = (
    "filelock",
    "matplotlib",
    "mcap",
    "numba",
    "numpy",
    "onnxruntime",
    "pillow",
    "rich",
    "safetensors",
    "scipy",
    "tensorboard",
    "torch",
    "tyro",
)
_LEFT_OUT: Final = ("__pycache__", "demo_data")


@dataclass(frozen=True)
class PackConfig:
    """Pack all that same-train all needs for a machine that reaches no package registry.

    That machine has PyTorch with numba. There, twice or more often,
    python3 OUT/start.py --work WORK --out RESULT, and here same-train unpack RESULT --out RUN.
    """

    out: Path
    """Folder for start.py and the parts."""
    motion: tuple[Path, ...] = ()
    """Folders of BVH or AMC clips; without any only procedural motion is made there."""
    init: Path | None = None
    """Checkpoint whose weights every stage starts from."""
    split_file: Path | None = None
    """Another split than the latest: a file (a shipped one needs no packing: name it there)."""
    joint_map: Path | None = None
    """JSON file that names the joints of a skeleton of your own."""
    run: Path | None = None
    """What came back from there, to go on with it on another machine."""
    has: tuple[str, ...] = ("torch", "numba")
    """Packages that the machine has, with all that they need; name more to pack less."""
    python: str | None = None
    """Python of the machine's version where that is not this one's, such as python3.12: the core
    is then built for it from this checkout, and the packages come from the package registry."""
    part_mb: float = 60.0
    """Largest part, MB."""

    def __post_init__(self) -> None:
        check_ranges(self, part_mb=(0.001, 1e6))


def pack(config: PackConfig) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    if config.out.exists():
        raise InvalidInputError(f"--out {config.out}: is there already; name a new folder")
    if config.init is not None:
        from same_model.checkpoint import load_checkpoint  # PyTorch, which --help does not need

        load_checkpoint(config.init)
    if config.split_file is not None:
        load_split(config.split_file)
    there = set().union(*map(_closure, config.has)) if config.has else set()
    names = sorted(set().union(*map(_closure, _NEEDED)) - there)
    given = list(_given_files(config))
    python = config.python or sys.executable
    with tempfile.TemporaryDirectory() as temporary:
        wheels = Path(temporary) if config.python else None
        if wheels is not None:
            _fetch_wheels(python, names, wheels)
        files = [*_our_files(wheels), *_their_files(names, wheels), *given]
        if config.run is not None:
            _unpack(config.run, Path(temporary) / "run")
            files += [(path, f"run/{name}") for path, name in _under(Path(temporary) / "run")]
        with told_disk(DataError, f"--out {config.out}"), whole_folder(config.out) as partial:
            (partial / "start.py").write_bytes(Path(bare_machine.__file__).read_bytes())
            writer = bare_machine.SplitWriter(partial, "part", int(1e6 * config.part_mb))
            with bare_machine.open_archive(writer) as archive:
                for path, name in files:
                    archive.add(path, name, recursive=False)
            parts = writer.finish(_version_of(python))
            total = sum(path.stat().st_size for path in parts) / 1e6
    print(
        f"{config.out}: start.py and {len(parts) - 1} parts, {total:.0f} MB; there: "
        f"python3 {config.out.name}/start.py --work work --out result"
    )


@dataclass(frozen=True)
class UnpackConfig:
    """Unpack what came back from a bare machine into a run, which same-train all goes on with."""

    result: Annotated[Path, tyro.conf.Positional]
    """Folder of the pieces that start.py wrote."""
    out: Path
    """Folder of the run."""


def unpack_result(config: UnpackConfig) -> None:
    """Run the command. Raises ``DataError`` for pieces that are absent or damaged."""
    if config.out.exists():
        raise DataError(f"--out {config.out}: is there already; name a new folder")
    with told_disk(DataError, f"--out {config.out}"), whole_folder(config.out) as partial:
        _unpack(config.result, partial)
    print(f"{config.out}: next, with the settings it had there: same-train all --out {config.out}")


def _unpack(folder: Path, into: Path) -> None:
    try:
        bare_machine.unpack(folder, into)
    except (ValueError, tarfile.TarError) as error:
        raise DataError(str(error)) from None


def _under(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file under ``folder`` with its name there, but for caches and the demo."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not set(name.parts) & set(_LEFT_OUT):
            yield path, name.as_posix()


def _our_files(wheels: Path | None) -> Iterator[tuple[Path, str]]:
    """The packages that train, with the core of this Python or the one in ``wheels``."""
    for package in _OURS:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.submodule_search_locations
        for folder in spec.submodule_search_locations:
            for path, name in _under(Path(folder)):
                if not path.name.startswith("_core."):
                    yield path, f"ours/{package}/{name}"
    if wheels is not None:
        (core,) = (wheels / "core").rglob("_core.*.so")
    else:
        spec = importlib.util.find_spec("same_runtime._core")
        assert spec is not None and spec.origin is not None
        core = Path(spec.origin)
    yield core, f"ours/same_runtime/{core.name}"
    # Our version is asked for; the list of commands would name some that are not packed.
    (about,) = (
        file
        for file in metadata.distribution("same-runtime").files or ()
        if file.name == "METADATA"
    )
    yield Path(str(about.locate())), f"ours/{about.as_posix()}"


def _their_files(names: list[str], wheels: Path | None) -> Iterator[tuple[Path, str]]:
    """The packages of others, as they are installed here or in ``wheels``."""
    if wheels is not None:
        yield from ((path, f"theirs/{name}") for path, name in _under(wheels / "theirs"))
        return
    for name in names:
        for file in metadata.distribution(name).files or ():
            path = Path(str(file.locate()))
            skipped = ".." in file.parts or set(file.parts) & set(_LEFT_OUT)
            if not skipped and path.is_file():
                yield path, f"theirs/{file.as_posix()}"


def _fetch_wheels(python: str, names: list[str], into: Path) -> None:
    """Unpack, for ``python``, our core and the packages ``names`` in this one's versions."""
    root = Path(__file__).resolve().parents[4]
    if not (root / "pyproject.toml").is_file():
        raise InvalidInputError("--python: the core is built from a checkout; run this from one")
    wanted = [f"{name}=={metadata.version(name)}" for name in names]
    for folder, what in (("core", [str(root)]), ("theirs", wanted)):
        command = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
        wheels = into / f"{folder}-wheels"
        try:
            done = subprocess.run(
                [*command, str(wheels), *what], capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise InvalidInputError(f"--python {python}: {error.strerror}") from None
        if done.returncode:
            said = (done.stderr.strip() or "no output").splitlines()[-1]
            raise InvalidInputError(f"--python {python}: pip wheel failed: {said}")
        for wheel in wheels.glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(into / folder)


def _version_of(python: str) -> str:
    """Such as 3.12."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise InvalidInputError(f"--python {python}: does not start ({error})") from None


def _closure(name: str) -> set[str]:
    """A package and all that it needs of what is installed here."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            requires = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        needed = [line for line in requires if "extra ==" not in line]
        waiting += [re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0] for line in needed]
    return found


def _given_files(config: PackConfig) -> Iterator[tuple[Path, str]]:
    for number, folder in enumerate(config.motion):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
        clips = [
            (path, name)
            for path, name in _under(folder)
            if path.name.lower().endswith((*ENDINGS, ".asf", ".asf.xz"))
        ]
        if not clips:
            raise DataError(f"{folder}: no .bvh or .amc files in it, packed with xz or not")
        # Its own name stays: the split finds sources by the names of their folders.
        yield from ((path, f"motion/{number}/{folder.resolve().name}/{n}") for path, n in clips)
    for option in ("init", "split_file", "joint_map"):
        path = getattr(config, option)
        if path is not None and Path(path).is_file():
            yield path, f"{option.replace('_', '-')}/{path.name}"
