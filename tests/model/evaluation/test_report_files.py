"""The files of a report: whole, and none of them where the disk refuses one."""

import pytest

from same_engines.errors import DataError
from same_model.evaluation.report_files import json_text, write_report_files


def test_a_report_that_the_disk_refuses_leaves_the_one_of_before(tmp_path):
    write_report_files(tmp_path / "new" / "out", {"a.json": "of before", "b.png": b"of before"})
    out = tmp_path / "new" / "out"
    with pytest.raises(DataError, match=r"--out .*out: cannot be written \(No such file"):
        write_report_files(out, {"a.json": "newer", "b.png": b"newer", "absent/c.md": "newer"})
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "a.json": "of before",
        "b.png": "of before",
    }


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"mpjpe": float("nan")})
