"""OSC over UDP: packets encoded once by python-osc, their numbers filled in pose by pose."""

import socket
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError, install_hint

MAX_PACKET_BYTES: Final = 1400
"""A larger UDP packet travels in parts, of which wireless networks lose some."""


class OscMessage:
    """A message of constants and then ``numbers`` float32; filled in without encoding anew."""

    def __init__(self, address: str, numbers: int, *constants: int | str) -> None:
        builder = _builder()(address=address)
        for constant in constants:
            builder.add_arg(constant)
        for _ in range(numbers):
            builder.add_arg(0.0, "f")
        datagram = builder.build().dgram
        self._head = datagram[: len(datagram) - 4 * numbers]

    def filled(self, *numbers: NDArray[np.float64]) -> bytes:
        """The message with these numbers, in order."""
        return self._head + b"".join(part.astype(">f4").tobytes() for part in numbers)


class OscPeer:
    """The other end. Its name is looked up once, here: sending never waits for a name server.

    Raises ``InvalidInputError`` for a host that is not known.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_DGRAM
            )[0]
            self._socket = socket.socket(family, kind, protocol)
        except (OSError, UnicodeError) as error:
            raise InvalidInputError(
                f"{host}: unknown host ({error}); give a name or address of the local network"
            ) from None
        try:
            self._socket.setblocking(False)
            # Connected, it hears when nobody listens there.
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise InvalidInputError(
                f"{host}:{port}: cannot be reached ({error.strerror}); check the network"
            ) from None

    def send(self, messages: list[bytes]) -> None:
        """Send the messages in as few bundles as fit. Raises ``OSError`` when the socket is full,
        the network is gone or nobody listened to the packet before."""
        failure: OSError | None = None
        for packet in _bundles(messages):
            try:
                self._socket.send(packet)
            except OSError as error:
                failure = error
        if failure is not None:
            raise failure

    def close(self) -> None:
        self._socket.close()


def _bundles(messages: list[bytes]) -> list[bytes]:
    head = b"#bundle\0" + struct.pack(">Q", 1)  # 1: at once
    bundles, bundle = [], head
    for message in messages:
        element = struct.pack(">i", len(message)) + message
        if len(bundle) + len(element) > MAX_PACKET_BYTES and bundle != head:
            bundles.append(bundle)
            bundle = head
        bundle += element
    return [*bundles, bundle]


def _builder() -> type:
    try:
        from pythonosc.osc_message_builder import OscMessageBuilder
    except ImportError:
        raise InvalidInputError(f"OSC: python-osc is not installed; {install_hint('xr')}") from None
    return OscMessageBuilder


def unity_positions(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3) of our world in Unity's left-handed axes: x right, y up, z forward."""
    return np.asarray(positions * (1.0, 1.0, -1.0))


def unity_rotations(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 4) xyzw of our world in Unity's left-handed axes."""
    return np.asarray(rotations * (-1.0, -1.0, 1.0, 1.0))
