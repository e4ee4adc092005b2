"""A pickle of numbers is read by its operations; nothing that it names is called or built."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from same_engines.errors import DataError
from same_model.data.emhi.unpickle import InertObject, load_object_array, load_pickle

EVERYTHING = {
    "f8": np.arange(6.0).reshape(2, 3),
    "f4": np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
    "f2": np.ones(3, np.float16),
    "ints": np.arange(-3, 3, dtype=np.int8),
    "bools": np.array([True, False]),
    "scalar": np.float64(2.5),
    "empty": np.zeros((0, 3)),
    "list": [1, -2, 3.5, None, True, 10**30],
    "tuple": (1, (2, 3, 4), "text", b"bytes"),
    7: {"deep": {"er": [[]]}},
}


@pytest.mark.parametrize("protocol", range(6))
def test_numbers_text_and_containers_are_what_they_were(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(EVERYTHING, protocol))
    if protocol == 5:  # NumPy hands buffers over there, which annotations of np.save never do
        with pytest.raises(DataError, match="refused"):
            load_pickle(path, frozenset())
        return
    read = load_pickle(path, frozenset())
    assert read.keys() == EVERYTHING.keys()
    for name, value in EVERYTHING.items():
        if isinstance(value, np.ndarray | np.generic):
            np.testing.assert_array_equal(read[name], value)
            assert read[name].dtype == value.dtype
        else:
            assert read[name] == value


def test_an_object_array_of_one_is_its_object(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array({"a": np.ones(3)}, dtype=object), allow_pickle=True)
    np.testing.assert_array_equal(load_object_array(path)["a"], np.ones(3))


class Reduced:
    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


RECONSTRUCT, _, STATE = np.zeros(2).__reduce__()
FLOAT_STATE = np.dtype("f8").__reduce__()[2]


def array_of(shape: Any, dtype: Any, content: Any) -> Reduced:
    return Reduced(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, shape, dtype, False, content))


HOSTILE: dict[str, Any] = {
    "object elements": np.array([1, "x"], dtype=object),
    "records": np.zeros(2, [("a", "f8"), ("b", "i4")]),
    "text elements": np.array(["abc"]),
    "times": np.array([1], "M8[ns]"),
    "data shorter than the shape": array_of((1000, 1000), np.dtype("f8"), b"\0" * 8),
    "a negative size": array_of((-1,), np.dtype("f8"), b"\0" * 8),
    "a size of 2^62": array_of((1 << 62,), np.dtype("f8"), b"\0" * 8),
    "a size that is no number": array_of((2.0,), np.dtype("f8"), b"\0" * 16),
    "a state that is too short": Reduced(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (2,))),
    "objects by state": array_of((2,), np.dtype("O"), [1, 2]),
    "a record's fields outside the item": Reduced(
        np.dtype,
        ("V8", False, True),
        (3, "|", None, ("a",), {"a": (np.dtype("f8"), 4000)}, 8, 1, 16),
    ),
    "a scalar by a list": Reduced(np.float64(0).__reduce__()[0], (np.dtype("f8"), [1.0])),
    "a scalar of objects": Reduced(np.float64(0).__reduce__()[0], (np.dtype("O"), b"\0" * 8)),
    "a scalar of too few bytes": Reduced(np.float64(0).__reduce__()[0], (np.dtype("f8"), b"\0")),
    "a subclass of arrays": np.zeros(2).view(np.recarray),
    "a masked array": np.ma.masked_array([1.0], [True]),
    "a set": {1, 2},
    "a function": {"f": len},
    "a dtype on its own": np.dtype("f8"),
    "a call of a type": Reduced(np.ndarray, ((3,),)),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_whatever_is_not_numbers_is_refused(name: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"x": HOSTILE[name]}, protocol))
    with pytest.raises(DataError):
        load_pickle(path, frozenset())


def test_what_repeats_itself_costs_what_it_is_long(tmp_path: Path) -> None:
    nested: list[Any] = [0.0] * 10
    for _ in range(25):
        nested = [nested] * 10
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(1))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    path.write_bytes(header.getvalue() + pickle.dumps({"p2d": nested}))
    assert load_object_array(path)["p2d"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"}\x94h\x00h\x00s.",  # a dict that is its own key
        b"]\x94h\x00a.",  # a list that holds itself
        b"(((((.",
        b"]" * 300_000 + b".",
        b"\x80\x04\x95" + b"\xff" * 8 + b".",
        b"cos\nsystem\n(S'true'\ntR.",
        b"Ppersistent\n.",
        b"\x8a\xff" + b"\x01" * 255 + b".",
        b"I" + b"9" * 5000 + b"\n.",
    ],
)
def test_damaged_pickles_are_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    try:
        read = load_pickle(path, frozenset())
    except DataError:
        return
    assert isinstance(read, int)


def test_inert_instances_have_a_state_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"ccollections\nCounter\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    read = load_pickle(path, frozenset({("collections", "Counter")}))
    assert type(read) is InertObject and read.state == {"a": 1}
