"""Ctrl-C during a held block is never lost."""

import os
import signal

import pytest

from same_engines.deferred_sigint import held_interrupts

pytestmark = pytest.mark.usefixtures("interruptible")


def test_ctrl_c_in_a_block_that_raises_still_takes_effect() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, held_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        raise OSError("the disk is full")
    assert isinstance(caught.value.__context__, OSError)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_ctrl_c_the_blocks_error_comes_out() -> None:
    with pytest.raises(OSError, match="full"), held_interrupts():
        raise OSError("the disk is full")
