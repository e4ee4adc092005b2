"""Sending from a thread of its own."""

import contextlib
import logging
import threading

from same_engines.field_checks import check_kind
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose

_log = logging.getLogger("same")


class Background(Output):
    """Sends through ``outputs`` in a thread of its own, so that who gives poses, such as
    ``tracker.on_pose(background.send)``, never pays for it.

    Always the newest pose: one that comes before its predecessor was taken replaces it and counts
    as ``skipped``. Closing sends the last one and closes the outputs. Raises ``InvalidInputError``
    for what is no output.
    """

    def __init__(self, *outputs: Output) -> None:
        for output in outputs:
            check_kind("outputs", output, Output)
        super().__init__(", ".join(output.name for output in outputs))
        self.outputs = outputs
        self._changed = threading.Condition()
        self._newest: Pose | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="same-outputs", daemon=True)
        self._thread.start()

    def _send(self, pose: Pose) -> bool:
        with self._changed:
            replaced, self._newest = self._newest, pose
            self._changed.notify()
        return replaced is None

    def _close(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        with contextlib.ExitStack() as closing:  # all of them, whatever one raises
            for output in reversed(self.outputs):
                closing.callback(output.close)

    def _run(self) -> None:
        raised: set[int] = set()  # at display rate one traceback of an output is enough
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ending)
                pose, self._newest = self._newest, None
            if pose is None:
                return
            for index, output in enumerate(self.outputs):
                try:
                    output.send(pose)
                except Exception as error:
                    # The thread must live on for the others and for the next pose.
                    self.failed += 1
                    self.last_error = str(error)
                    if index not in raised:
                        raised.add(index)
                        _log.exception("%s: a pose could not be sent", output.name)
