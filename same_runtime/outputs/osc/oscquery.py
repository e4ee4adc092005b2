"""Finds VRChat by OSCQuery: what it advertises by mDNS, and over HTTP where it takes OSC.

Specification: https://github.com/Vidvox/OSCQueryProposal. VRChat chooses another OSC port where
9000 is taken, and runs on headsets as well as on PCs.
"""

import http.client
import ipaddress
import queue
import time
from typing import Any, Final

from same_engines.errors import InvalidInputError, install_hint
from same_engines.json_values import parse_json, whole_number

_SERVICE: Final = "_oscjson._tcp.local."
_NAME: Final = "VRChat-Client"
_MOST_BYTES: Final = 1 << 16
_HTTP_TIMEOUT_S: Final = 2.0
_LOOK_FOR_S: Final = 8.0
_NEXT_STEP: Final = "start VRChat with OSC enabled, or give vrchat://HOST:9000"


def find_vrchat(look_for_s: float = _LOOK_FOR_S) -> tuple[str, int]:
    """Address and OSC port of the first VRChat that answers on the local network.

    Raises ``InvalidInputError`` when none does within ``look_for_s`` and without zeroconf.
    """
    try:
        from zeroconf import ServiceBrowser, ServiceStateChange, Zeroconf
    except ImportError:
        raise InvalidInputError(
            f"OSCQuery: zeroconf is not installed; {install_hint('xr')}"
        ) from None
    give_up_s = time.monotonic() + look_for_s
    names: queue.SimpleQueue[str] = queue.SimpleQueue()

    def noted(name: str, state_change: ServiceStateChange, **_: object) -> None:
        if state_change is ServiceStateChange.Added and name.startswith(_NAME):
            names.put(name)

    why = "none answers"
    try:
        with Zeroconf() as network:
            ServiceBrowser(network, _SERVICE, handlers=[noted])
            while (left_s := give_up_s - time.monotonic()) > 0:
                try:
                    name = names.get(timeout=left_s)
                except queue.Empty:
                    break
                info = network.get_service_info(_SERVICE, name, timeout=1000.0 * left_s)
                if info is None or not info.port:
                    continue
                for host in info.parsed_addresses():
                    try:
                        return osc_address(host, info.port)
                    except (OSError, http.client.HTTPException, ValueError) as error:
                        why = f"{name.partition('.')[0]} at {host}: {error}"
    except OSError as error:
        raise InvalidInputError(
            f"vrchat://auto: the network cannot be searched ({error}); give vrchat://HOST:9000"
        ) from None
    raise InvalidInputError(f"vrchat://auto: no VRChat was found ({why}); {_NEXT_STEP}")


def osc_address(host: str, port: int) -> tuple[str, int]:
    """Where the program whose OSCQuery server is at ``host`` and ``port`` takes OSC.

    Raises ``OSError``, ``HTTPException`` or ``ValueError`` when it does not tell.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_HTTP_TIMEOUT_S)
    try:
        connection.request("GET", "/?HOST_INFO")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise ValueError(f"answers {answer.status}")
        content: Any = parse_json(answer.read(_MOST_BYTES))
    finally:
        connection.close()
    if not isinstance(content, dict):
        raise ValueError("answers no object")
    osc_port = whole_number("OSC_PORT", content.get("OSC_PORT"), 1, 65535)
    told = content.get("OSC_IP", host)
    address = ipaddress.ip_address(told if isinstance(told, str) else host)
    # Of another machine its own loopback says nothing.
    if address.is_loopback or address.is_unspecified:
        return host, osc_port
    return str(address), osc_port
