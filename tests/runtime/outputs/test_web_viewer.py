"""The live page: what it is told, who may look, and how it looks in a browser."""

import http.client
import json
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from posed_bodies import FRAME_NS, body
from scipy.spatial.transform import Rotation

from same_runtime import InvalidInputError, Pose, PoseStatus, Reason, StereoFrame
from same_runtime.camera import CameraRig
from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs import WebViewer


@pytest.fixture
def viewer(small_rig: CameraRig) -> Iterator[WebViewer]:
    with WebViewer(port=0, rig=small_rig) as opened:
        yield opened


def port_of(viewer: WebViewer) -> int:
    return int(viewer.url.rstrip("/").rpartition(":")[2])


def get(viewer: WebViewer, path: str, host: str | None = None) -> tuple[int, dict, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(viewer), timeout=5)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


class Page:
    """Listens to the events as a page does."""

    def __init__(self, viewer: WebViewer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port_of(viewer), timeout=5)
        self._connection.request("GET", "/events")
        self._answer = self._connection.getresponse()

    def next(self, wanted: str) -> dict[str, Any]:
        name = ""
        for line in iter(self._answer.readline, b""):
            if line.startswith(b"event: "):
                name = line[7:].strip().decode()
            elif line.startswith(b"data: ") and name == wanted:
                return dict(json.loads(line[6:]))
        raise AssertionError(f"no {wanted} came")

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


def test_the_page_is_told_the_newest_pose(viewer: WebViewer) -> None:
    page = Page(viewer)
    about = page.next("about")
    assert tuple(about["names"]) == JOINT_NAMES and about["images"] is True
    pose = body(status=PoseStatus.LIMITED, reasons=(Reason.CAMERA_LOST,), latency_ns=3_500_000)
    viewer.send(pose)
    told = page.next("pose")
    np.testing.assert_allclose(np.reshape(told["joints"], (22, 3)), pose.joints_world, atol=1e-4)
    assert told["status"] == "LIMITED" and told["latency_ms"] == 3.5
    assert told["reasons"] == [["CAMERA_LOST", Reason.CAMERA_LOST.value]]
    viewer.send(Pose(timestamp_ns=FRAME_NS, reasons=(Reason.HEAD_LOST,)))
    assert page.next("pose")["joints"] is None
    page.close()


def test_images_are_served_with_the_joints_in_them(viewer: WebViewer, small_rig: CameraRig) -> None:
    assert get(viewer, "/image/left.jpg")[0] == 404
    camera = small_rig.left
    grey = np.full((camera.height, camera.width), 90, np.uint8)
    viewer.show_frame(StereoFrame(FRAME_NS, grey, None))
    page = Page(viewer)
    ahead = np.tile((0.0, 0.0, 2.0), (22, 1))
    viewer.send(body(joints_cam_left=ahead))
    pixels = page.next("pixels")
    assert set(pixels) == {"left"}
    expected = (camera.project(ahead)[0][0] + 0.5) / (camera.width, camera.height)
    np.testing.assert_allclose(pixels["left"], [expected] * 22, atol=1e-3)
    status, headers, content = get(viewer, "/image/left.jpg")
    assert (status, headers["Content-Type"], content[:2]) == (200, "image/jpeg", b"\xff\xd8")
    for other in ("/image/right.jpg", "/image/timestamp_ns.jpg", "/image/../index.html"):
        assert get(viewer, other)[0] == 404
    page.close()


def test_images_are_not_served_unless_asked() -> None:
    with WebViewer(port=0) as viewer:
        viewer.show_frame(StereoFrame(FRAME_NS, np.zeros((8, 8), np.uint8), None))
        assert get(viewer, "/image/left.jpg")[0] == 404


def test_only_this_machine_may_look_and_only_at_the_page(viewer: WebViewer) -> None:
    assert viewer.url.startswith("http://127.0.0.1:")
    for path in ("/", "/viewer.js", "/timeline.js", "/viewer.css", "/three.min.js"):
        status, headers, content = get(viewer, path)
        assert status == 200 and content
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    for path in ("/server.py", "/../pose.py", "/etc/passwd", "/three.LICENSE"):
        assert get(viewer, path)[0] == 404
    # A page from elsewhere whose name was pointed at this machine.
    assert get(viewer, "/", host="evil.example:8350")[0] == 403
    assert get(viewer, "/", host="localhost:8350")[0] == 200
    assert b"http://" not in get(viewer, "/")[2] + get(viewer, "/viewer.js")[2]


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_the_page_is_served_on_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    with WebViewer("::1", port=0) as viewer:
        assert viewer.url.startswith("http://[::1]:")
        connection = http.client.HTTPConnection("::1", port_of(viewer), timeout=5)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_page_that_reads_nothing_delays_nobody(viewer: WebViewer) -> None:
    stuck = socket.create_connection(("127.0.0.1", port_of(viewer)))
    stuck.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    page = Page(viewer)
    for index in range(200):
        viewer.send(body(timestamp_ns=(index + 1) * FRAME_NS))
    assert viewer.sent == 200 and viewer.failed == 0
    deadline = time.monotonic() + 5
    while page.next("pose")["time_s"] < 1e-9 * 200 * FRAME_NS - 1e-6:
        assert time.monotonic() < deadline
    stuck.close()
    page.close()


def test_what_was_shown_can_be_taken_along(viewer: WebViewer) -> None:
    assert get(viewer, "/motion.glb?from=0&to=9999999999")[0] == 404, "nothing was shown yet"
    for index in range(30):
        viewer.send(body(timestamp_ns=(index + 1) * FRAME_NS))
    status, headers, content = get(viewer, f"/motion.glb?from={5 * FRAME_NS}&to={9 * FRAME_NS}")
    assert status == 200 and content[:4] == b"glTF"
    assert headers["Content-Disposition"] == 'attachment; filename="motion.glb"'
    length = int.from_bytes(content[12:16], "little")
    document = json.loads(content[20 : 20 + length])
    times = document["accessors"][document["animations"][0]["samplers"][0]["input"]]
    assert times["count"] == 5
    status, _, content = get(viewer, f"/motion.bvh?from=0&to={30 * FRAME_NS}")
    assert status == 200 and b"Frames: 30" in content
    for wrong in ("glb", "glb?from=0", "glb?from=a&to=2", "obj?from=0&to=9", "glb?from=9&to=1"):
        assert get(viewer, f"/motion.{wrong}")[0] == 404


def test_a_taken_port_is_one_line(viewer: WebViewer) -> None:
    with pytest.raises(InvalidInputError, match="cannot be served on .*another host or port"):
        WebViewer(port=port_of(viewer))
    with pytest.raises(InvalidInputError, match="port: expected 0..65535"):
        WebViewer(port=70_000)


@contextmanager
def browser_page(width: int, height: int) -> Iterator[tuple[Any, list[str]]]:
    """A page in headless Chromium, and what goes wrong in it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs pip install .[dev]")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium")
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        page = browser.new_page(viewport={"width": width, "height": height})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        yield page, errors
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1200, 750), (390, 800)])
def test_the_page_in_a_browser(
    viewer: WebViewer, small_rig: CameraRig, tmp_path: Path, width: int, height: int
) -> None:
    camera = small_rig.left
    shade = np.tile(np.linspace(40, 200, camera.width), (camera.height, 1)).astype(np.uint8)
    viewer.show_frame(StereoFrame(FRAME_NS, shade, shade))
    walking = {
        "left_hip": Rotation.from_euler("x", 30, degrees=True),
        "right_knee": Rotation.from_euler("x", -40, degrees=True),
        "left_shoulder": Rotation.from_euler("z", 70, degrees=True),
        "right_shoulder": Rotation.from_euler("z", -60, degrees=True),
    }
    with browser_page(width, height) as (page, errors):
        page.goto(viewer.url)
        for index in range(40):
            pose = body(
                walking,
                timestamp_ns=(index + 1) * FRAME_NS,
                joints_cam_left=body(walking).joints_world * (1, -1, -1) + (0, 1, 2.5),
                status=PoseStatus.LIMITED,
                reasons=(Reason.LEG_TRACKER_LOST,),
                latency_ns=2_000_000,
            )
            viewer.send(pose)
            page.wait_for_timeout(50)
        page.locator("#status", has_text="LIMITED").wait_for()
        assert "LEG_TRACKER_LOST" in page.inner_text("#reasons")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "scrolls sideways"
        page.keyboard.press("?")
        assert page.is_visible("#help")
        page.keyboard.press("?")
        shot = tmp_path / f"viewer-{width}.png"
        page.screenshot(path=str(shot))
    assert errors == []
    from PIL import Image

    picture = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    blue = (picture[..., 2] > picture[..., 0] + 60) & (picture[..., 2] > 120)
    orange = (picture[..., 0] > picture[..., 2] + 60) & (picture[..., 0] > 120)
    assert blue.sum() > 300 and orange.sum() > 300, "the limbs are not seen"


@pytest.mark.slow
def test_replay_and_recording_in_a_browser(viewer: WebViewer, tmp_path: Path) -> None:
    with browser_page(390, 800) as (page, errors):
        page.goto(viewer.url)

        def send(begin: int, end: int) -> None:
            for index in range(begin, end):
                turn = Rotation.from_euler("z", 2.0 * index, degrees=True)
                viewer.send(body({"left_shoulder": turn}, timestamp_ns=(index + 1) * 10 * FRAME_NS))
                page.wait_for_timeout(40)

        def behind_s(other_than: float = -1.0) -> float:
            """How far behind the newest pose the page shows, once it is something else."""
            for _ in range(50):
                page.wait_for_timeout(100)
                told = page.inner_text("#when")
                found = 0.0 if told == "live" else float(told[1:-2])
                if found != other_than:
                    break
            return found

        send(0, 20)
        assert behind_s() == 0.0
        page.keyboard.press("Space")
        send(20, 30)
        stopped_s = behind_s()
        assert stopped_s == pytest.approx(10 * 10e-9 * FRAME_NS, abs=0.25)
        page.keyboard.press("ArrowLeft")
        earlier_s = behind_s(other_than=stopped_s)
        assert 0.05 < earlier_s - stopped_s < 0.5
        page.keyboard.press("Home")
        assert behind_s(other_than=earlier_s) > 2.0
        assert float(page.inner_text("#figures").split()[0]) < 1.5
        page.keyboard.press("c")
        assert page.get_attribute("#record", "class") == "on"
        page.locator("#scrubber").fill("15")
        page.wait_for_timeout(100)
        with page.expect_download() as download:
            page.keyboard.press("c")
        download.value.save_as(tmp_path / "motion.glb")
        assert (tmp_path / "motion.glb").read_bytes()[:4] == b"glTF"
        assert page.get_attribute("#record", "class") == ""
        page.keyboard.press("Space")  # goes on from there, and catches up
        page.locator("#when", has_text="live").wait_for()
        with page.expect_download() as download:
            page.click("#record")
            page.keyboard.press("Home")
            page.keyboard.press("Shift+C")
        download.value.save_as(tmp_path / "motion.bvh")
        assert (tmp_path / "motion.bvh").read_text().startswith("HIERARCHY")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "scrolls sideways"
        page.keyboard.press("?")
        page.screenshot(path=str(tmp_path / "timeline.png"))
    assert errors == []


def test_the_legend_has_the_colours_that_are_drawn(viewer: WebViewer) -> None:
    script, style, page = (
        get(viewer, path)[2].decode() for path in ("/viewer.js", "/viewer.css", "/")
    )
    drawn = dict(
        re.findall(r"(\w+): 0x([0-9a-f]{6})", script.partition("COLOURS = {")[2].split("}")[0])
    )
    assert len(drawn) == 4
    for name, colour in drawn.items():
        assert f'<span class="{name}">' in page
        assert f".{name}::before {{ color: #{colour}; }}" in style
