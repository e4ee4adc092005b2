"""Former names of modules, which still import with a ``DeprecationWarning`` and go in 0.3."""

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Sequence
from types import MappingProxyType, ModuleType
from typing import Final

RENAMED: Final = MappingProxyType(
    {
        "same_runtime.at_time": "same_runtime.estimation.prediction",
        "same_runtime.bones": "same_runtime.skeleton.bone_lengths",
        "same_runtime.clocks": "same_runtime.ingestion.clock_sync",
        "same_runtime.command": "same_runtime.cli.command",
        "same_runtime.faults": "same_runtime.recording.faults",
        "same_runtime.ingest": "same_runtime.ingestion.inputs",
        "same_runtime.pose_files": "same_runtime.recording.pose_files",
        "same_runtime.preview": "same_runtime.cli.draw_pose",
        "same_runtime.replay": "same_runtime.recording.replay",
        "same_runtime.live.worker": "same_runtime.live.options",
        "same_runtime.worker": "same_runtime.live.options",
    }
)
"""Former name -> name, of the modules that applications had reason to import."""


class _RenamedModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module of ``RENAMED`` under its former name; asked only where nothing else does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in RENAMED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        name = RENAMED[spec.name]
        warnings.warn(
            f"{spec.name} is now {name}, and its former name goes in 0.3; see also the names that "
            "same_runtime itself exports",
            DeprecationWarning,
            stacklevel=2,
        )
        module = importlib.import_module(name)
        alias = ModuleType(spec.name, module.__doc__)
        alias.__dict__.update(
            {key: value for key, value in vars(module).items() if not key.startswith("__")}
        )
        return alias

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the alias has what the module has."""


def import_renamed_modules() -> None:
    """Let the former names import, from now on."""
    if not any(isinstance(finder, _RenamedModules) for finder in sys.meta_path):
        sys.meta_path.append(_RenamedModules())
