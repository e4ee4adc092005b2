"""Reports: JSON round trip, Markdown, and an HTML page that a real browser shows offline."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from report_parts import QUIET, make_report, make_samples

from same_bench.commands.compare import changes
from same_bench.reporting.fail_if import parse_fail_if
from same_bench.reporting.pages import html, latency_picture, markdown
from same_bench.reporting.report import Run, read_report, to_json, write_whole
from same_engines import atomic_files
from same_engines.errors import InvalidInputError, RecordingError

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


def test_json_round_trip(tmp_path: Path) -> None:
    report, path = make_report(), tmp_path / "report.json"
    write_whole(path, to_json(report))
    again = read_report(path)
    assert to_json(again) == to_json(report)
    assert again.runs[0].samples == report.runs[0].samples
    summary = json.loads(path.read_text())["runs"][0]["summary"]
    assert summary["dropped"] == 2 and summary["count"] == 1800
    assert summary["percentiles"]["p99.9"] is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c | {"schema": "same-bench/99"}, "expected a report of schema"),
        (lambda c: {k: v for k, v in c.items() if k != "runs"}, "damaged report"),
        (lambda c: c["runs"][0]["samples"]["slot"].pop() and c, "lengths"),
        (lambda c: c["runs"][0]["samples"]["latency_ns"].__setitem__(0, "x") or c, "integers"),
        (lambda c: c | {"runs": []}, r"damaged report .*runs: expected at least one"),
        (lambda c: [], "expected a report of schema"),
    ],
)
def test_damaged_reports_are_refused(
    tmp_path: Path, damage: Callable[[dict], object], message: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(damage(json.loads(to_json(make_report())))))
    with pytest.raises(RecordingError, match=message):
        read_report(path)


@pytest.mark.parametrize(("asked", "ran"), [("fp32", "fp32"), ("auto", None)])
def test_reports_from_before_say_which_precision_ran_where_it_was_asked_for(
    tmp_path: Path, asked: str, ran: str | None
) -> None:
    content, path = json.loads(to_json(make_report())), tmp_path / "report.json"
    content["bundle"]["precision"] = asked
    for run in content["runs"] + content["peers"]:
        del run["precision"]
    path.write_text(json.dumps(content))
    report = read_report(path)
    assert [run.precision for run in report.runs] == [ran]
    assert f"| precision | {ran or 'not told'} |" in markdown(report)


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordingError, match="cannot be written"):
        write_whole(tmp_path / "absent" / "report.json", "x")
    if Path("/dev/full").exists():
        full = tmp_path / "full"
        full.symlink_to("/dev/full")
        monkeypatch.setattr(atomic_files, "_beside", lambda path, kind: full)
        with pytest.raises(RecordingError, match="No space left"):
            write_whole(tmp_path / "report.json", "x")
        assert not (tmp_path / "report.json").exists()


def test_few_samples_decline_percentiles() -> None:
    few = Run(make_samples(n=300), QUIET)
    text = markdown(make_report(few))
    assert re.search(r"\| p99 \| needs 662 samples \|", text)
    assert "max" in text and "needs 662 samples" in html(make_report(few))
    with pytest.raises(InvalidInputError, match="needs 662 samples"):
        parse_fail_if("p99>11.1ms").fails(few)


def test_noise_is_said() -> None:
    noisy = {**QUIET, "verdict": "noisy", "reasons": ["other processes used 40% of it"]}
    report = make_report(Run(make_samples(), noisy))
    assert "other processes used 40% of it" in markdown(report)
    assert "Not a quiet machine" in html(report)
    assert "Not a quiet machine" not in html(make_report())


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("p99>11.1ms", False),
        ("p99 > 5ms", True),
        ("max>=24ms", True),
        ("max>24001us", False),
        ("missed90>0", True),
        ("missed90>3", False),
        ("dropped>1", True),
        ("rss>300MiB", False),
        ("jitter>1s", False),
        ("outside>3%", True),
        ("outside>50%", False),
        ("mean<1ms", False),
    ],
)
def test_fail_if(text: str, fails: bool) -> None:
    assert parse_fail_if(text).fails(make_report().runs[0]) is fails


@pytest.mark.parametrize(
    "text", ["p98>1ms", "p99>1", "p99", "p99>ms", "dropped>1ms", "rss>1ms", ""]
)
def test_bad_fail_if(text: str) -> None:
    with pytest.raises(InvalidInputError, match="--fail-if"):
        parse_fail_if(text)


def test_changes_find_what_was_changed() -> None:
    base = Run(make_samples(), QUIET)
    slower = Run(make_samples(scale=1.1), QUIET)
    found = {change.percentile: change for change in changes(base, slower)}
    assert set(found) == {"p50", "p95", "p99"}
    assert found["p50"].verdict == "slower" and found["p50"].ratio == pytest.approx(1.1, abs=1e-3)
    assert {change.verdict for change in changes(base, base)} == {"no difference"}
    assert changes(slower, base)[0].verdict == "faster"


def test_the_picture_stands_alone(tmp_path: Path) -> None:
    root = ElementTree.fromstring(latency_picture(make_report().runs[0]))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    style = root.find("{http://www.w3.org/2000/svg}style")
    assert style is not None and "prefers-color-scheme: dark" in str(style.text)
    labels = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert labels >= {"72 Hz", "90 Hz", "120 Hz", "time, s"}


class _Strict(HTMLParser):
    """Notes every address a page refers to, and checks that its elements are closed."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "action", "srcset")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_self_contained() -> None:
    page, parser = html(make_report()), _Strict()
    parser.feed(page)
    assert parser.open == [] and parser.addresses == []
    assert "url(" not in page and "@import" not in page and "<script" not in page
    assert "A &lt;CPU&gt; &amp; more" in page
    for label in ("Histogram", "Latency over time", "Mean time of each stage", "of each variant"):
        assert page.count(f'aria-label="{label}') + page.count(label) >= 1


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_chromium(tmp_path: Path, scheme: str) -> None:
    assert CHROMIUM is not None
    page, picture = tmp_path / "report.html", tmp_path / "page.png"
    page.write_text(html(make_report()))
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--proxy-server=127.0.0.1:9",
        f"--user-data-dir={tmp_path}/user",
        "--window-size=1000,3600",
        f"--screenshot={picture}",
        *(["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []),
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert picture.exists(), done.stderr
    assert "CONSOLE" not in done.stderr, done.stderr  # blocked loads and broken markup land there
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    background = pixels[2, 2]
    assert (background.mean() < 80) == (scheme == "dark")
    inked = (np.abs(pixels - background).max(axis=2) > 40).mean()
    assert 0.01 < inked < 0.5
    accent = np.array([0x6E, 0xA8, 0xFF] if scheme == "dark" else [0x23, 0x64, 0xD2])
    blue = (np.abs(pixels - accent).max(axis=2) < 12).any(axis=1)
    # The four charts draw in the accent colour: four separate bands down the page.
    bands = np.diff(np.flatnonzero(blue))
    assert (bands > 60).sum() >= 3
