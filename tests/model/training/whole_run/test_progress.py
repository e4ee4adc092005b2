import pytest

from same_engines.errors import DataError
from same_model.training.whole_run.progress import RunProgress

UNITS = {"images": 10, "visual": 100, "export": 1}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_remaining_time_is_of_measured_rates_and_claims_no_other(tmp_path):
    clock = Clock()
    progress = RunProgress(tmp_path / "progress.json", UNITS, clock)
    assert progress.left_s() == (0.0, ["images", "visual", "export"])
    assert progress.text() == "images, visual, export, not measured yet"
    progress.reach("images", 2)  # found: says nothing of the rate
    assert progress.left_s()[1] == ["images", "visual", "export"]
    clock.now = 30.0
    progress.reach("images", 4)
    assert progress.left_s() == (6 * 15.0, ["visual", "export"])
    assert progress.text() == "at least 2 min left, and visual, export, not measured yet"
    progress.finish("images")
    progress.reach("visual", 0)
    clock.now = 50.0
    progress.reach("visual", 20)
    progress.reach("export", 0)
    clock.now = 60.0
    progress.finish("export")
    assert progress.left_s() == (80.0, [])
    assert progress.text() == "about 1 min left"


def test_rates_and_finished_steps_outlive_the_process(tmp_path):
    clock = Clock()
    first = RunProgress(tmp_path / "progress.json", UNITS, clock)
    first.reach("images", 0)
    clock.now = 20.0
    first.reach("images", 10)
    first.finish("images")
    first.reach("visual", 0)
    clock.now = 70.0
    first.reach("visual", 50)
    first.save()
    clock.now = 10_000.0  # the machine rested
    second = RunProgress(tmp_path / "progress.json", UNITS, clock)
    assert second.finished == ["images"]
    assert second.left_s() == (50.0, ["export"])
    second.reach("visual", 50)
    assert second.left_s() == (50.0, ["export"])


def test_a_damaged_file_is_named(tmp_path):
    for text in ("{", "[]"):
        (tmp_path / "progress.json").write_text(text)
        with pytest.raises(DataError, match=r"progress\.json: damaged"):
            RunProgress(tmp_path / "progress.json", UNITS)
