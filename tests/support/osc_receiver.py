"""python-osc's own server, collecting what it decodes."""

import threading
import time

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer


class OscReceiver:
    """Listens on a free port of this machine; ``messages`` are (address, arguments) in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, tuple]] = []
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *a: self.messages.append((address, a)))
        self._server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def wait_for(self, count: int, seconds: float = 20.0) -> list[tuple[str, tuple]]:
        """The messages, once there are ``count``."""
        end = time.monotonic() + seconds
        while len(self.messages) < count and time.monotonic() < end:
            time.sleep(0.005)
        assert len(self.messages) >= count, f"{len(self.messages)} of {count} messages came"
        return list(self.messages)

    def __enter__(self) -> "OscReceiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
