"""Types of options that several commands have, so that their help lists the same choices."""

from pathlib import Path
from typing import Annotated, Final, Literal

import tyro

from same_engines.open_engine import BACKENDS, NPU_BACKENDS, OPENVINO_DEVICES
from same_runtime.options import PRECISIONS


def one_of(*choices: str) -> object:
    """Lists ``choices`` in the help of a text option, which names them itself when it refuses."""
    return tyro.conf.arg(metavar="{" + ",".join(choices) + "}")


BACKEND_NAMES: Final = ("auto", *BACKENDS, *OPENVINO_DEVICES, *NPU_BACKENDS)

Backend = Annotated[str, one_of(*BACKEND_NAMES)]
Precision = Annotated[str, one_of(*PRECISIONS)]


def _say_flag(default: str) -> str:
    return "(on unless this is given)" if default == "True" else "(off unless this is given)"


Input = Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
"""What a command works on, where an option may name it instead."""
Flag = Annotated[bool, tyro.conf.arg(help_behavior_hint=_say_flag)]
"""A flag that may be on by default; its option is then ``--no-NAME`` and turns it off."""

YesNo = Annotated[bool, tyro.conf.FlagConversionOff]
"""``--NAME True`` or ``--NAME False``, for what is otherwise decided by something else."""

View = Annotated[
    tuple[()] | tuple[Literal["web", "rerun"]] | None, tyro.conf.arg(metavar="[{web,rerun}]")
]
"""``--view`` alone is the web page."""
