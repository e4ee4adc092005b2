"""Write same_runtime/_core.pyi, the type stub of the built C++ module.

Run ``python cpp/generate_stub.py [FOLDER]``; FOLDER defaults to the checkout's root.
"""

import enum
import re
import subprocess
import sys
from pathlib import Path

from same_runtime import _core


def generate_stub(folder: Path) -> Path:
    """Write the stub below ``folder``; raises ``CalledProcessError`` if anything has no type."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pybind11_stubgen",
            "same_runtime._core",
            "--output-dir",
            str(folder),
            "--exit-code",
        ],
        check=True,
    )
    stub = folder / "same_runtime" / "_core.pyi"
    text = stub.read_text()
    for kind in vars(_core).values():
        if isinstance(kind, type) and issubclass(kind, enum.IntEnum):
            text = _with_enum_members(text, kind)
    stub.write_text(text)
    return stub


def _with_enum_members(text: str, kind: type[enum.IntEnum]) -> str:
    # pybind11-stubgen declares members as class variables, which type checkers refuse in an enum.
    members = "".join(f"    {member.name} = {member.value}\n" for member in kind)
    body = re.compile(rf'(class {kind.__name__}\(.*?\):\n    """.*?"""\n).*?(?=^\S)', re.S | re.M)
    return body.sub(lambda found: found[1] + members, text)


if __name__ == "__main__":
    print(generate_stub(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1])))
