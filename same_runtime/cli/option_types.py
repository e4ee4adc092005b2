"""Types of options that several commands have, so that their help lists the same choices."""

from typing import Annotated, Final, Literal

import tyro

from same_engines.open_engine import BACKENDS, NPU_BACKENDS, OPENVINO_DEVICES
from same_runtime.options import PRECISIONS


def one_of(*choices: str) -> object:
    """Lists ``choices`` in the help of a text option, which names them itself when it refuses."""
    return tyro.conf.arg(metavar="{" + ",".join(choices) + "}")


_BACKENDS: Final = ("auto", *BACKENDS, *OPENVINO_DEVICES, *NPU_BACKENDS)

Backend = Annotated[str, one_of(*_BACKENDS)]
Precision = Annotated[str, one_of(*PRECISIONS)]
OnByDefault = Annotated[bool, tyro.conf.arg(help_behavior_hint="(on unless this is given)")]
"""A flag that is on; its option ``--no-NAME`` turns it off."""

View = Annotated[
    tuple[()] | tuple[Literal["web", "rerun"]] | None, tyro.conf.arg(metavar="[{web,rerun}]")
]
"""``--view`` alone is the web page."""
