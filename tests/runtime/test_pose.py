"""Every reason has its row in the documentation, with the status it brings."""

import re
from pathlib import Path

from same_runtime import Reason
from same_runtime.pose import gravest_first, status_of

DOCS = Path(__file__).resolve().parents[2] / "docs" / "status.md"


def test_every_reason_is_documented_with_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", DOCS.read_text(), re.M)
    assert sorted(name for name, *_ in rows) == sorted(reason.name for reason in Reason)
    for name, status, meaning, remedy in rows:
        assert status_of([Reason[name]]).name == status, name
        assert meaning.endswith(".") and remedy.endswith(".")


def test_the_gravest_reason_comes_first() -> None:
    reasons = gravest_first((Reason.WARMING_UP, Reason.NO_IMAGES, Reason.NOT_WORN))
    assert reasons == (Reason.NOT_WORN, Reason.WARMING_UP, Reason.NO_IMAGES)
    assert status_of(()).name == "VALID"
