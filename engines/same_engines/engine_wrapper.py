"""An engine around an engine, to watch it or to change a part of what it does."""

from typing import Any

import numpy as np

from same_engines.engine import Engine


class EngineWrapper(Engine):
    """Passes everything on to ``inner``, which it owns; override what is to be different.

    Where ``inner`` runs a frame stage by stage, each stage goes through ``run``; an engine that
    runs a frame as one gets ``run_frame``, so that the wrapper changes nothing of how it works.
    """

    def __init__(self, inner: Engine) -> None:
        self.inner = inner
        self.backend, self.precision = inner.backend, inner.precision

    @property
    def runs_frames_whole(self) -> bool:
        """Whether ``inner`` runs a frame in a way of its own, not stage by stage."""
        if isinstance(self.inner, EngineWrapper):
            return self.inner.runs_frames_whole
        return type(self.inner).run_frame is not Engine.run_frame

    def host_input(self, name: str) -> np.ndarray:
        return self.inner.host_input(name)

    def host_output(self, name: str) -> np.ndarray:
        return self.inner.host_output(name)

    def run(self, stage: str) -> None:
        self.inner.run(stage)

    def run_frame(self, with_images: bool = True) -> None:
        if self.runs_frames_whole:
            self.inner.run_frame(with_images)
        else:
            super().run_frame(with_images)

    def peek(self, stage: str) -> None:
        self.inner.peek(stage)

    def reset_state(self) -> None:
        self.inner.reset_state()

    def warm_up(self, runs: int = 3) -> None:
        self.inner.warm_up(runs)

    def close(self) -> None:
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        # What an engine has beyond the interface, such as a GPU engine's ``device_input``.
        if "inner" not in self.__dict__:  # while it is copied
            raise AttributeError(name)
        return getattr(self.inner, name)
