"""Which graphs a processor runs faster, the float or the 8-bit ones: measured once, remembered."""

import logging
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from same_engines.bundle.reader import Bundle
from same_engines.compiled_files import CompiledFile, cache_folder
from same_engines.engine import Engine

CANDIDATES: Final = ("fp32", "int8")
"""From the most exact; a later one must win clearly."""

_KIND: Final = "choices"
_STAGE: Final = "visual"
"""The one stage that differs."""
_ROUNDS: Final = 12
_WORTH_IT: Final = 0.9

_log = logging.getLogger("same")


@dataclass(frozen=True)
class ChoiceKey:
    """What a measured choice is good for."""

    fp32_sha256: str
    int8_sha256: str
    library: str
    processor: str
    threads: str


def open_fastest(
    bundle: Bundle, library: str, threads: int, opener: Callable[[str], Engine]
) -> Engine:
    """The engine of the precision that runs ``bundle`` fastest here; fp32 where it has no other.

    ``opener`` opens one precision; ``library`` names what runs it, with its version. Raises what
    ``opener`` raises.
    """
    if not set(CANDIDATES) <= set(bundle.precisions()):
        return opener(CANDIDATES[0])
    exact_sha256, fast_sha256 = (bundle.graph(p, _STAGE).sha256 for p in CANDIDATES)
    key = ChoiceKey(exact_sha256, fast_sha256, library, processor_name(), str(threads))
    kept = CompiledFile(cache_folder(), key, _KIND)
    known = (kept.read() or b"").decode(errors="replace")
    if known in CANDIDATES:
        return opener(known)
    engines = {precision: opener(precision) for precision in CANDIDATES}
    shortest_ms = _shortest_ms(engines)
    exact, fast = (shortest_ms[precision] for precision in CANDIDATES)
    chosen = CANDIDATES[1] if fast < _WORTH_IT * exact else CANDIDATES[0]
    _log.info("precision auto: %s, %.2f ms in fp32 and %.2f in int8", chosen, exact, fast)
    kept.write(chosen.encode())
    for precision, engine in engines.items():
        if precision != chosen:
            engine.close()
    engines[chosen].reset_state()
    return engines[chosen]


def _shortest_ms(engines: dict[str, Engine]) -> dict[str, float]:
    """The shortest of several runs, taken in turn: what else the machine does only adds."""
    shortest = dict.fromkeys(engines, float("inf"))
    for turn in range(_ROUNDS):
        for precision, engine in engines.items():
            started_ns = time.perf_counter_ns()
            engine.run(_STAGE)
            took_ms = 1e-6 * (time.perf_counter_ns() - started_ns)
            if turn > 1:  # the first ones allocate
                shortest[precision] = min(shortest[precision], took_ms)
    return shortest


def processor_name() -> str:
    """The processor's make and model, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return f"{platform.machine()} {platform.processor()}"
