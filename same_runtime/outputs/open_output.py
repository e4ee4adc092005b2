"""Outputs by their address, as on the command line."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from same_engines.errors import InvalidInputError
from same_runtime.outputs.osc import vmc, vmt, vrchat
from same_runtime.outputs.osc.oscquery import find_vrchat
from same_runtime.outputs.output import Output
from same_runtime.skeleton.rotations import SkeletonSolver

_EXAMPLES: Final = "vmc://127.0.0.1:39539 or vrchat://127.0.0.1:9000?trackers=hip,feet"


def open_output(address: str, solver: SkeletonSolver | None = None) -> Output:
    """Open the output at ``vmc://HOST[:PORT]``, ``vrchat://HOST[:PORT][?trackers=...&scale=...]``
    or ``vmt://HOST[:PORT][?trackers=...]``. ``vrchat://auto`` searches the local network.

    ``solver``: shared by outputs that are given the same poses. Raises ``InvalidInputError`` for
    any other address, an unknown host, where no VRChat is found, or without python-osc.
    """
    try:
        parts = urlsplit(address)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        host, port, scheme = parts.hostname, parts.port, parts.scheme
    except ValueError as error:
        raise _wrong(address, str(error)) from None
    if not host or parts.path.strip("/") or port == 0:
        raise _wrong(address, "it names no host" if not host else "host and port are all it takes")
    if scheme == "vmc" and not options:
        return vmc.VmcOutput(host, port or vmc.PORT, solver)
    names = options.get("trackers", ",".join(vrchat.TRACKERS)).split(",")
    if scheme == "vmt" and options.keys() <= {"trackers"}:
        return vmt.VmtOutput(host, port or vmt.PORT, names, solver)
    if scheme == "vrchat" and options.keys() <= {"trackers", "scale"}:
        try:
            scale = float(options.get("scale", "1"))
        except ValueError:
            raise _wrong(address, "scale is not a number") from None
        if host == "auto":
            if port is not None:
                raise _wrong(address, "auto finds the port too")
            host, port = find_vrchat()
        return vrchat.VrchatOutput(host, port or vrchat.PORT, names, scale, solver)
    known = scheme in ("vmc", "vrchat", "vmt")
    raise _wrong(address, "it has unknown options" if known else f"{scheme!r} is not known")


def _wrong(address: str, why: str) -> InvalidInputError:
    return InvalidInputError(f"{address}: {why}; expected an address such as {_EXAMPLES}")
