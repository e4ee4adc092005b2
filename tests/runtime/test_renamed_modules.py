"""Former module names still import, with a warning that names the new one."""

import importlib
import subprocess
import sys

import pytest

from same_runtime.renamed_modules import RENAMED


@pytest.mark.parametrize("former", RENAMED)
def test_a_former_name_gives_the_same_objects_and_a_warning(former: str) -> None:
    module = importlib.import_module(RENAMED[former])
    sys.modules.pop(former, None)
    with pytest.warns(DeprecationWarning, match=RENAMED[former]):
        alias = importlib.import_module(former)
    public = [name for name, value in vars(module).items() if callable(value)]
    assert public
    for name in public:
        assert getattr(alias, name) is getattr(module, name)


def test_the_warning_points_at_the_importing_line(tmp_path) -> None:
    script = tmp_path / "app.py"
    script.write_text("import same_runtime\nfrom same_runtime.clocks import GivenClock\n")
    command = [sys.executable, "-W", "always", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "same_runtime.ingestion.clock_sync" in done.stderr


def test_unknown_names_stay_unknown() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("same_runtime.no_such_module")
