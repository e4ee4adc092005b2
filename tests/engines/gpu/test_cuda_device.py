"""The CUDA device is made current once in every thread, whatever number the thread has."""

import sys
import threading
from types import ModuleType, SimpleNamespace

import pytest

from same_engines.gpu import cuda_device
from same_engines.gpu.cuda_device import CudaDevice


@pytest.fixture
def set_in(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """CUDA Python replaced by what notes the threads that the device was made current in."""
    threads: list[threading.Thread] = []

    class Device:
        name, compute_capability = "Test GPU", (8, 9)

        def __init__(self, index: int) -> None:
            assert index == 0

        def set_current(self) -> None:
            threads.append(threading.current_thread())

        def create_stream(self) -> SimpleNamespace:
            return SimpleNamespace(close=lambda: None)

    core = ModuleType("cuda.core")
    core.Device, core.LegacyPinnedMemoryResource = Device, object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.core", core)
    monkeypatch.setattr(cuda_device, "find_driver", lambda: None)
    monkeypatch.setattr(cuda_device, "_driver_version", lambda: "13000")
    return threads


def test_a_new_thread_with_the_number_of_an_ended_one_gets_the_device(
    set_in: list[threading.Thread],
) -> None:
    device = CudaDevice()
    numbers: list[int] = []

    def work() -> None:
        device.make_current()
        device.make_current()
        numbers.append(threading.get_ident())

    threads = []
    for _ in range(50):
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        threads[-1].join()
    assert len(set(numbers)) < len(numbers), "no number was used again here; the test says nothing"
    assert set_in == [threading.current_thread(), *threads]


def test_threads_that_take_turns_set_it_once_each(set_in: list[threading.Thread]) -> None:
    device = CudaDevice()
    turn = threading.Barrier(2)

    def work() -> None:
        for _ in range(3):
            turn.wait()
            device.make_current()
            turn.wait()

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(3):
        turn.wait()
        turn.wait()
        device.make_current()
    thread.join()
    assert set_in == [threading.current_thread(), thread]
