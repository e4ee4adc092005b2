"""ImageRing: newest wins, views without a copy, and what a held view guarantees."""

import gc
import threading

import numpy as np
import pytest

from same_runtime._core import ImageRing, PushStatus

H, W = 6, 8


def image(value: int) -> np.ndarray:
    return np.full((H, W), value, np.uint8)


def test_newest_frame_wins_and_the_replaced_one_is_counted() -> None:
    ring = ImageRing(3, H, W)
    assert ring.newest() is None
    for i in range(5):
        assert ring.push(i, image(i), image(100 + i)) == PushStatus.ACCEPTED
    newest = ring.newest()
    assert newest is not None
    timestamp, left, right = newest
    assert timestamp == 4 and left is not None and right is not None
    assert (left == 4).all() and (right == 104).all()
    assert (ring.accepted, ring.dropped, ring.refused) == (5, 4, 0)


def test_gate() -> None:
    ring = ImageRing(3, H, W)
    ring.push(10, image(1), None)
    assert ring.push(10, image(2), None) == PushStatus.DUPLICATE
    assert ring.push(9, image(2), None) == PushStatus.BACKWARDS
    newest = ring.newest()
    assert newest is not None and newest[0] == 10 and newest[2] is None
    assert newest[1] is not None and (newest[1] == 1).all()
    assert ring.refused == 2
    ring.clear()
    assert ring.newest() is None
    assert ring.push(3, None, image(3)) == PushStatus.ACCEPTED


def test_a_held_view_keeps_its_pixels_and_the_ring() -> None:
    ring = ImageRing(2, H, W)
    ring.push(0, image(7), image(8))
    newest = ring.newest()
    assert newest is not None
    _, left, right = newest
    assert left is not None and right is not None
    for i in range(1, 6):
        assert ring.push(i, image(i), image(i)) == PushStatus.ACCEPTED
    assert (left == 7).all() and (right == 8).all()
    with pytest.raises(ValueError, match="read-only"):
        left[0, 0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        left.flags.writeable = True
    del ring, newest
    gc.collect()
    assert (left == 7).all() and (right == 8).all()


def test_full_only_while_every_slot_is_held() -> None:
    ring = ImageRing(2, H, W)
    held = []
    for i in range(2):
        ring.push(i, image(i), None)
        held.append(ring.newest())
    assert ring.push(2, image(2), None) == PushStatus.FULL
    assert (ring.accepted, ring.refused) == (2, 1)
    newest = ring.newest()
    assert newest is not None and newest[0] == 1
    del newest
    held.pop(0)
    assert ring.push(2, image(2), None) == PushStatus.ACCEPTED
    newest = ring.newest()
    assert newest is not None and newest[0] == 2


def test_strided_images() -> None:
    ring = ImageRing(2, H, W)
    rng = np.random.default_rng(0)
    big = rng.integers(0, 256, (2 * H, 3 * W), dtype=np.uint8)
    ring.push(0, big[::-2, :W], big[::2, ::3])
    newest = ring.newest()
    assert newest is not None
    np.testing.assert_array_equal(newest[1], big[::-2, :W])
    np.testing.assert_array_equal(newest[2], big[::2, ::3])


@pytest.mark.parametrize(
    "bad", [np.zeros((H, W), np.float32), np.zeros((W, H), np.uint8), np.zeros(H * W, np.uint8)]
)
def test_bad_images_change_nothing(bad: np.ndarray) -> None:
    ring = ImageRing(2, H, W)
    with pytest.raises(ValueError, match="right"):
        ring.push(0, image(1), bad)
    assert ring.newest() is None and ring.accepted == 0


def test_a_reader_never_sees_half_a_frame() -> None:
    height, width, frames = 240, 320, 2000
    ring = ImageRing(4, height, width)

    def produce() -> None:
        pixels = np.empty((height, width), np.uint8)
        for i in range(frames):
            pixels[:] = i % 251
            ring.push(i, pixels, pixels)

    producer = threading.Thread(target=produce)
    producer.start()
    last = -1
    try:
        while producer.is_alive() or last < frames - 1:
            newest = ring.newest()
            if newest is None:
                continue
            timestamp, left, right = newest
            assert timestamp >= last and left is not None and right is not None
            last = timestamp
            assert (left == timestamp % 251).all() and (right == timestamp % 251).all()
    finally:
        producer.join()
    assert ring.accepted == frames and ring.refused == 0
