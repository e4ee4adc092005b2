"""VRChat is found by what it advertises: a fake on this machine, through mDNS and HTTP."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("pythonosc", reason="needs pip install .[xr]")
pytest.importorskip("zeroconf", reason="needs pip install .[xr]")
import zeroconf
from osc_receiver import OscReceiver
from posed_bodies import body

from same_runtime import InvalidInputError
from same_runtime.outputs import open_output
from same_runtime.outputs.osc.oscquery import find_vrchat, osc_address


class FakeVrchat:
    """An OSCQuery server, and with a ``name`` its advertisement."""

    def __init__(self, answer: object, name: str | None = None, status: int = 200) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.asked = asked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._name = name

    def __enter__(self) -> "FakeVrchat":
        self._thread.start()
        if self._name is not None:
            self._network = zeroconf.Zeroconf()
            self._info = zeroconf.ServiceInfo(
                "_oscjson._tcp.local.",
                f"{self._name}._oscjson._tcp.local.",
                port=self.port,
                addresses=[socket.inet_aton("127.0.0.1")],
                server=f"{self._name.lower()}.local.",
            )
            self._network.register_service(self._info)
        return self

    def __exit__(self, *_: object) -> None:
        if self._name is not None:
            self._network.unregister_service(self._info)
            self._network.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def host_info(osc_port: int, address: str = "127.0.0.1") -> dict[str, object]:
    """As VRChat answers."""
    return {
        "NAME": "VRChat-Client-ABC123",
        "EXTENSIONS": {"ACCESS": True, "CLIPMODE": False, "RANGE": True, "TYPE": True},
        "OSC_IP": address,
        "OSC_PORT": osc_port,
        "OSC_TRANSPORT": "UDP",
    }


@pytest.fixture
def multicast() -> Iterator[None]:
    """A machine whose network lets mDNS through."""
    with FakeVrchat(host_info(9), "Probe"), zeroconf.Zeroconf() as network:
        if network.get_service_info("_oscjson._tcp.local.", "Probe._oscjson._tcp.local.") is None:
            pytest.skip("needs a network that lets multicast through")
        yield


def test_poses_go_where_vrchat_says(multicast: None) -> None:
    with (
        OscReceiver() as receiver,
        FakeVrchat(host_info(1), "Another-Program"),
        FakeVrchat(b"rubbish", "VRChat-Client-Broken"),
        FakeVrchat(host_info(receiver.port), "VRChat-Client-ABC123") as vrchat,
        open_output("vrchat://auto?trackers=hip") as output,
    ):
        assert vrchat.asked == ["/?HOST_INFO"]
        output.send(body())
        addresses = {address for address, _ in receiver.wait_for(4)}
        assert "/tracking/trackers/1/position" in addresses
        assert output.name == f"vrchat://127.0.0.1:{receiver.port}"


def test_no_vrchat_is_one_line_with_the_next_step(multicast: None) -> None:
    with pytest.raises(InvalidInputError, match=r"no VRChat was found .* give vrchat://HOST:9000"):
        find_vrchat(look_for_s=0.3)
    with (
        FakeVrchat(host_info(70000), "VRChat-Client-Odd"),
        pytest.raises(InvalidInputError, match=r"VRChat-Client-Odd at 127.0.0.1: OSC_PORT"),
    ):
        find_vrchat(look_for_s=5.0)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("192.0.2.7", "192.0.2.7")],
)
def test_the_address_is_the_one_told_unless_it_is_the_others_own(
    address: str, expected: str
) -> None:
    with FakeVrchat(host_info(9001, address)) as vrchat:
        assert osc_address("127.0.0.1", vrchat.port) == (expected, 9001)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ([], 200),
        (b"{", 200),
        (b"", 200),
        ({"OSC_IP": "127.0.0.1"}, 200),
        ({"OSC_PORT": "9000"}, 200),
        ({"OSC_PORT": 0}, 200),
        ({"OSC_PORT": 9000, "OSC_IP": "file:///etc"}, 200),
        (b'{"a":' * 20000, 200),
        (host_info(9000), 404),
    ],
)
def test_what_is_no_answer_is_refused(answer: object, status: int) -> None:
    with FakeVrchat(answer, status=status) as vrchat, pytest.raises(ValueError):
        osc_address("127.0.0.1", vrchat.port)


def test_a_server_that_is_gone_is_an_os_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OSError):
        osc_address("127.0.0.1", port)


def test_auto_takes_no_port() -> None:
    with pytest.raises(InvalidInputError, match="auto finds the port too"):
        open_output("vrchat://auto:9000")


def test_without_zeroconf_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zeroconf", None)
    with pytest.raises(InvalidInputError, match=r"pip install .*\[xr\]'"):
        open_output("vrchat://auto")
