"""Which precision a processor runs a bundle fastest in: measured once, remembered."""

import logging
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from same_engines.bundle.manifest import BF16, graphs_of
from same_engines.bundle.reader import Bundle
from same_engines.compiled_files import CompiledFile, cache_folder
from same_engines.engine import Engine
from same_engines.errors import EngineError

CANDIDATES: Final = ("fp32", BF16, "int8")
"""From the most exact; a later one must win clearly."""

_KIND: Final = "choices"
_STAGE: Final = "visual"
"""The one stage that differs."""
_ROUNDS: Final = 12
_WORTH_IT: Final = 0.9
_WORTH_IT_MS: Final = 0.2
"""What is won must be more than measuring is off by, and worth rounding for."""

_log = logging.getLogger("same")


@dataclass(frozen=True)
class ChoiceKey:
    """What a measured choice is good for."""

    graphs: str
    library: str
    processor: str
    threads: str


def open_fastest(
    bundle: Bundle,
    library: str,
    threads: int,
    opener: Callable[[str], Engine],
    computed: Sequence[str] = ("fp32", "int8"),
) -> Engine:
    """The engine of the precision that runs ``bundle`` fastest here; fp32 where it has no other.

    ``opener`` opens one precision; ``library`` names what runs it, with its version;
    ``computed``: those of ``CANDIDATES`` that it computes on this processor. Another precision than
    fp32 that cannot be opened is left out, and nothing is remembered then. Raises what ``opener``
    raises for fp32, and ``BundleError`` for a bad bundle.
    """
    candidates = [
        precision
        for precision in CANDIDATES
        if precision in computed and graphs_of(precision) in bundle.precisions()
    ]
    if candidates[:1] != [CANDIDATES[0]] or len(candidates) == 1:
        return opener(CANDIDATES[0])
    graphs = ", ".join(f"{p} {bundle.graph(graphs_of(p), _STAGE).sha256}" for p in candidates)
    kept = CompiledFile(
        cache_folder(), ChoiceKey(graphs, library, processor_name(), str(threads)), _KIND
    )
    known = (kept.read() or b"").decode(errors="replace")
    exact, *others = candidates
    if known == exact:
        return opener(exact)
    if known in others:
        engine = _opened(opener, known)
        if engine is not None:
            return engine
        others.remove(known)
    engines = {exact: opener(exact)}
    for precision in others:
        engine = _opened(opener, precision)
        if engine is not None:
            engines[precision] = engine
    shortest_ms = _shortest_ms(engines)
    chosen = _fastest(shortest_ms)
    said = ", ".join(f"{shortest_ms[precision]:.2f} ms in {precision}" for precision in engines)
    _log.info("precision auto: %s, %s", chosen, said)
    if len(engines) == len(candidates):  # what failed may work at the next start
        kept.write(chosen.encode())
    for precision, engine in engines.items():
        if precision != chosen:
            engine.close()
    engines[chosen].reset_state()
    return engines[chosen]


def _opened(opener: Callable[[str], Engine], precision: str) -> Engine | None:
    """None where it cannot be opened, which is said."""
    try:
        return opener(precision)
    except EngineError as error:
        _log.warning("precision auto: %s is left out: %s", precision, error)
        return None


def _fastest(shortest_ms: dict[str, float]) -> str:
    chosen, *others = shortest_ms
    for precision in others:
        most_ms = min(_WORTH_IT * shortest_ms[chosen], shortest_ms[chosen] - _WORTH_IT_MS)
        if shortest_ms[precision] < most_ms:
            chosen = precision
    return chosen


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
