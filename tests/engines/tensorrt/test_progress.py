"""Progress within a plan, and Ctrl-C while the library builds one."""

import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from same_engines import Bundle
from same_engines.deferred_sigint import held_interrupts
from same_engines.errors import EngineError
from same_engines.tensorrt.build import build_plans, build_stage
from same_engines.tensorrt.progress import PhaseTree

RTX = "tensorrt-rtx"

pytestmark = pytest.mark.usefixtures("interruptible")


def test_nested_phases_are_one_share() -> None:
    tree = PhaseTree()
    tree.start("building", None, 4)
    assert tree.step("building", 0) == 0.25
    tree.start("optimising", "building", 2)
    assert tree.step("optimising", 0) == 0.375
    tree.start("timing", "optimising", 10)
    assert tree.step("timing", 4) == pytest.approx(0.4375)
    tree.finish("timing")
    assert tree.step("optimising", 1) == 0.5
    tree.finish("optimising")
    assert tree.step("building", 3) == 1.0
    assert tree.step("never started", 7) == 1.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("start", "step", "finish")),
            st.sampled_from("abc"),
            st.sampled_from(("a", "b", None, "gone")),
            st.integers(0, 9),
        )
    )
)
def test_the_share_never_falls_whatever_is_reported(events) -> None:
    tree, last = PhaseTree(), 0.0
    for kind, name, parent, number in events:
        if kind == "start" and parent != name and (parent is None or parent > name):
            tree.start(name, parent, number)
        elif kind == "step":
            share = tree.step(name, number)
            assert last <= share <= 1.0
            last = share
        elif kind == "finish":
            tree.finish(name)


def test_progress_moves_within_every_stage(rtx, tiny_bundle: Path) -> None:
    received: list[tuple[str, float]] = []
    build_plans(
        Bundle.open(tiny_bundle), RTX, ("fp32",), progress=lambda *told: received.append(told)
    )
    shares = [done for _, done in received]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 4)
    for index, stage in enumerate(("visual", "inertial", "fusion", "temporal")):
        within = {done for name, done in received if name == f"{RTX} fp32 plugin {stage}"}
        assert len(within) > 20
        assert (min(within), max(within)) == (index, index + 1)


@pytest.mark.parametrize("variant", ["plugin", "standard"])
@pytest.mark.parametrize("at", [0.01, 0.2, 0.5, 0.7])
def test_ctrl_c_ends_a_build_at_its_next_step_and_the_next_one_works(
    rtx, tiny_bundle: Path, variant: str, at: float
) -> None:
    graph = Bundle.open(tiny_bundle).graph_bytes("fp32", "fusion")
    pressed: list[float] = []

    def press(share: float) -> None:
        if share >= at:
            pressed.append(share)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build_stage(rtx, graph, "fusion.onnx", variant, press)
    assert len(pressed) <= 2  # a step that was under way may still be told
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # Damage to the heap by the stopped build would abort this one.
    junk = [bytearray(size) for size in range(1, 4096)]
    assert len(build_stage(rtx, graph, "fusion.onnx", variant).content) > len(junk)


def test_what_the_listener_raises_ends_the_build_and_comes_out(rtx, tiny_bundle: Path) -> None:
    graph = Bundle.open(tiny_bundle).graph_bytes("fp16", "fusion")

    def fail(share: float) -> None:
        raise EngineError("the screen is gone")

    with pytest.raises(EngineError, match="the screen is gone"):
        build_stage(rtx, graph, "fusion.onnx", "plugin", fail)


def test_interrupted_builds_leave_the_bundle_as_it_was(
    rtx, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny.same"
    shutil.copytree(tiny_bundle, folder)
    before = sorted(str(file) for file in folder.rglob("*"))

    def press(name: str, done: float) -> None:
        if "temporal" in name and done % 1 > 0.1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build_plans(Bundle.open(folder), RTX, ("fp32",), progress=press)
    assert sorted(str(file) for file in folder.rglob("*")) == before


def test_held_interrupts_come_at_the_end_of_the_block() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), held_interrupts() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        reached = interrupted()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_that_get_no_signals_may_hold_them_too() -> None:
    seen: list[bool] = []

    def work() -> None:
        with held_interrupts() as interrupted:
            seen.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
