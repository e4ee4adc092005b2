"""Which recordings are trained on and which are held out, by the split's parts and by performer."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, Literal

from same_engines.errors import DataError
from same_model.data.sequence import SequenceReader, find_sequences, open_sequence
from same_model.synth.motion.splits import PARTS, WITHHELD

_LOG = logging.getLogger("same")
_TRAINED_ON: Final = ("train", WITHHELD)
_HELD_OUT: Final = "validation"
_Side = Literal["train", "held out", "neither"]


def split_performers(
    roots: Sequence[Path], patterns: tuple[str, ...]
) -> tuple[list[SequenceReader], list[SequenceReader]]:
    """Sequences under ``roots``, one root after the other, for training and for validation: those
    of the split's own validation part, and those whose performer matches one of ``patterns``.

    Left out, with a warning that counts them: the split's test parts, and recordings with the
    upper body of a performer of the other side. Raises ``DataError`` when nothing is left to train
    on, when no performer matches a pattern, for an unknown part, and when a root lies in another.
    """
    paths = [path for root in roots for path in find_sequences(root)]
    names = ", ".join(map(str, roots))
    if len({path.resolve() for path in paths}) < len(paths):
        raise DataError(f"{names}: a folder lies in another, or is named twice")
    sequences = _without_tests([open_sequence(path) for path in paths])
    performers = {_performer(sequence) for sequence in sequences}
    for pattern in patterns:
        if not any(fnmatch(performer, pattern) for performer in performers):
            raise DataError(f"{names}: no performer matches {pattern}")
    sides: dict[_Side, list[SequenceReader]] = {"train": [], "held out": [], "neither": []}
    whose = _performers_of_clips(sequences)
    for sequence in sequences:
        sides[_side(sequence, patterns, whose)].append(sequence)
    if sides["neither"]:
        _LOG.warning(
            "left out: %d recordings of which one half of the body is a held-out performer's",
            len(sides["neither"]),
        )
    if not sides["train"]:
        raise DataError(f"{names}: every sequence is held out for validation, or left out")
    return sides["train"], sides["held out"]


def _part(sequence: SequenceReader) -> str:
    """The part of the split that ``sequence`` is of; what names none is for training."""
    part = sequence.meta.get("split")
    if part is None:
        return "train"
    if part not in PARTS:
        raise DataError(
            f"{sequence.path}/meta.json: split: expected one of {', '.join(PARTS)}, got {part!r}"
        )
    return str(part)


def _without_tests(sequences: Iterable[SequenceReader]) -> list[SequenceReader]:
    kept: list[SequenceReader] = []
    tests: Counter[str] = Counter()
    for sequence in sequences:
        part = _part(sequence)
        if part in (*_TRAINED_ON, _HELD_OUT):
            kept.append(sequence)
        else:
            tests[part] += 1
    if tests:
        counted = ", ".join(f"{count} of {part}" for part, count in sorted(tests.items()))
        _LOG.warning("left out, as they are for tests: %s", counted)
    return kept


def _performer(sequence: SequenceReader) -> str:
    return str(sequence.meta.get("performer", ""))


def _performers_of_clips(sequences: Iterable[SequenceReader]) -> dict[str, set[str]]:
    whose: dict[str, set[str]] = {}
    for sequence in sequences:
        whose.setdefault(str(sequence.meta.get("source")), set()).add(_performer(sequence))
    return whose


def _side(sequence: SequenceReader, patterns: tuple[str, ...], whose: dict[str, set[str]]) -> _Side:
    """``whose``: the performers of each clip, for recordings from before they named that of their
    upper body."""

    def is_named(performers: Iterable[str]) -> bool:
        return any(fnmatch(one, pattern) for one in performers for pattern in patterns)

    legs = is_named([_performer(sequence)])
    clip, performer = (sequence.meta.get(f"upper_body{of}") for of in ("", "_performer"))
    if clip is not None:
        upper = is_named([str(performer)] if performer else whose.get(str(clip), ()))
        if upper != legs:
            return "neither"
    return "held out" if legs or _part(sequence) == _HELD_OUT else "train"
