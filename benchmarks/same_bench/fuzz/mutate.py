"""Small changes to good files, by a seeded generator: the same seed makes the same file."""

import copy
import json
from contextlib import suppress
from random import Random
from typing import Any, Final

_NUMBERS: Final = (
    0, -1, 1, 2, 255, 1 << 31, -(1 << 31), (1 << 53) + 1, 1 << 63, 1 << 64, -(1 << 64), 10**30,
    10**400, 0.5, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
_OTHERS: Final = ("", "x", "0", "../../x", "a\0b", "\ud800", "é" * 300, None, True, False)
_MOST_CHANGES: Final = 4
_INTERESTING: Final = (b"\0", b"\xff", b"\x80", b"\x7f", b"\0\0\0\0", b"\xff" * 8, b"\x80" * 12)


def odd_value(rng: Random) -> Any:
    """A JSON value that files should not hold where they hold something."""
    pick = rng.random()
    if pick < 0.5:
        return rng.choice(_NUMBERS)
    if pick < 0.85:
        return rng.choice(_OTHERS)
    nested: Any = rng.choice(_NUMBERS)
    for _ in range(rng.choice((1, 2, 40, 200))):
        nested = [nested] if rng.random() < 0.7 else {"x": nested}
    return nested


def mutated_json(rng: Random, content: Any) -> Any:
    """A copy of ``content`` with a few values changed, moved, dropped or added."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        places = list(_places(content))
        if not places:
            break
        holder, key = rng.choice(places)
        pick = rng.random()
        if pick < 0.6:
            holder[key] = odd_value(rng)
        elif pick < 0.75:
            other, at = rng.choice(places)
            if other is not holder:
                holder[key] = copy.deepcopy(other[at])
        elif pick < 0.85:
            del holder[key]
        elif pick < 0.95 and isinstance(holder, list):
            holder.extend([holder[key]] * rng.choice((1, 2, 1000)))
        elif isinstance(holder, dict):
            holder[rng.choice(("extra", "", key + "_"))] = odd_value(rng)
        else:
            number = holder[key]
            if isinstance(number, int | float) and not isinstance(number, bool):
                step = rng.choice((1, -1, 1 << 20, 0.5))
                with suppress(OverflowError):  # of a half from an integer that no float holds
                    holder[key] = number + step
    return content


def _places(content: Any) -> Any:
    stack = [content]
    while stack:
        holder = stack.pop()
        items = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in items:
            yield holder, key
            if isinstance(value, dict | list):
                stack.append(value)


def to_json(content: Any) -> bytes:
    """JSON as Python writes it, NaN and lone surrogates included."""
    return json.dumps(content).encode("utf-8", "surrogatepass")


def mutated_bytes(rng: Random, content: bytes) -> bytes:
    """``content`` with a few bytes flipped, cut, doubled, moved or put in."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        at = rng.randrange(len(changed) + 1)
        size = min(1 << rng.randint(0, 10), len(changed) - at)
        pick = rng.random()
        if pick < 0.35 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif pick < 0.6:
            put = rng.choice(_INTERESTING)
            changed[at : at + len(put)] = put
        elif pick < 0.7:
            del changed[at : at + size]
        elif pick < 0.8:
            changed[at:at] = changed[at : at + size]
        elif pick < 0.9:
            other = rng.randrange(len(changed) + 1)
            changed[at : at + size] = changed[other : other + size]
        elif pick < 0.95:
            del changed[at:]
        else:
            changed[at:at] = rng.randbytes(rng.randint(1, 16))
    return bytes(changed)


def mutated_text(rng: Random, content: str) -> bytes:
    """Lines and words of ``content`` changed, then perhaps its bytes."""
    lines = content.splitlines()
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        at = rng.randrange(len(lines))
        words = lines[at].split()
        pick = rng.random()
        if pick < 0.6 and words:
            odd = (str(odd_value(rng))[:400], "1e999", "nan", "{", "}", "-", "JOINT", "0" * 400)
            words[rng.randrange(len(words))] = rng.choice(odd)
            lines[at] = " ".join(words)
        elif pick < 0.8:
            lines[at:at] = [lines[rng.randrange(len(lines))]] * rng.choice((1, 2, 500))
        elif len(lines) > 1:
            del lines[at]
    encoded = "\n".join(lines).encode("utf-8", "surrogatepass")
    return mutated_bytes(rng, encoded) if rng.random() < 0.3 else encoded
