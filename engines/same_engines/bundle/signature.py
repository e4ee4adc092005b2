"""Who made a bundle: an Ed25519 signature over its manifest and the indices of its plans.

The hashes in a manifest find damage; whoever changes a bundle can write new ones. A signature can
only be written with the maker's private key, and an application that names the public keys it
trusts opens nothing else. What the manifest and the indices list is covered by their hashes.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from same_engines.atomic_files import replace_file, told_disk
from same_engines.bundle.manifest import MANIFEST_NAME
from same_engines.bundle.reader import Bundle, read_inside
from same_engines.errors import BundleError, ExportError, InvalidInputError, install_hint
from same_engines.files.regular_files import read_regular
from same_engines.json_values import parse_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE_NAME: Final = "signature.json"

_KEY_DIGITS: Final = 64
_MOST_BYTES: Final = 1 << 20
_PURPOSE: Final = b"same-runtime bundle 1\n"
"""Before what is signed, so that no signature of anything else can pass for a bundle's."""


def read_signing_key(key_file: Path) -> "Ed25519PrivateKey":
    """The Ed25519 private key in ``key_file``, PEM without a password (``openssl genpkey
    -algorithm ed25519``).

    Raises ``ExportError`` for a file that is none, and when the package ``cryptography`` is
    missing.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise ExportError(
            f"--sign: needs the package cryptography: {install_hint('signing')}"
        ) from None
    try:
        key = load_pem_private_key(read_regular(key_file, _MOST_BYTES), password=None)
    except OSError as error:
        raise ExportError(f"--sign {key_file}: cannot be read ({error.strerror})") from None
    except Exception:  # the library raises many kinds
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ExportError(
            f"--sign {key_file}: expected an Ed25519 private key without a password; make one "
            "with: openssl genpkey -algorithm ed25519 -out key.pem"
        )
    return key


def sign_bundle(bundle: Bundle, key_file: Path) -> str:
    """Sign ``bundle`` as it is now and return the public key, 64 hexadecimal digits.

    ``key_file``: as ``read_signing_key`` takes it. Raises ``ExportError`` for a file that is none
    or a bundle that cannot be written.
    """
    key = read_signing_key(key_file)
    public = key.public_key().public_bytes_raw().hex()
    files = _files(bundle)
    content = {"public_key": public, "files": files, "signature": key.sign(_message(files)).hex()}
    with told_disk(ExportError, bundle.path):
        replace_file(bundle.path / SIGNATURE_NAME, json.dumps(content, indent=1).encode() + b"\n")
    return public


def fits_signature(bundle: Bundle) -> bool:
    """Whether ``bundle`` has a signature of what it holds now, whoever made it."""
    where = bundle.path / SIGNATURE_NAME
    try:
        _, files, _ = _parsed(read_inside(bundle.path, SIGNATURE_NAME, _MOST_BYTES), where)
        return files == _files(bundle)
    except BundleError:  # there is none, or a damaged one
        return False


def check_signature(bundle: Bundle, trusted_keys: Sequence[str]) -> None:
    """Raise ``BundleError`` unless one of ``trusted_keys`` signed ``bundle`` as it was opened;
    plans that were signed with it then count as built here.

    ``trusted_keys``: public keys, 64 hexadecimal digits each. Raises ``InvalidInputError`` for
    what is none, and when the package ``cryptography`` is missing.
    """
    keys = _checked_keys(trusted_keys)
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise InvalidInputError(
            f"trusted_keys: needs the package cryptography: {install_hint('signing')}"
        ) from None
    where = bundle.path / SIGNATURE_NAME
    if not where.exists():
        raise BundleError(f"{bundle.path}: not signed; expected a signature by a trusted key")
    public, files, signature = _parsed(read_inside(bundle.path, SIGNATURE_NAME, _MOST_BYTES), where)
    if public not in keys:
        raise BundleError(f"{where}: signed by {public:.16}..., which is none of the trusted keys")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, _message(files))
    except (InvalidSignature, ValueError):
        raise BundleError(f"{where}: the signature does not fit: the bundle was changed") from None
    if files.get(MANIFEST_NAME) != bundle.manifest_file_sha256:
        raise BundleError(
            f"{where}: signed another {MANIFEST_NAME}: the bundle was changed after it was signed"
        )
    bundle.signed_files = files


def _checked_keys(trusted_keys: object) -> set[str]:
    if isinstance(trusted_keys, str) or not isinstance(trusted_keys, Sequence):
        raise InvalidInputError(
            f"trusted_keys: expected a list of keys, got {type(trusted_keys).__name__}"
        )
    for key in trusted_keys:
        if not isinstance(key, str) or len(key) != _KEY_DIGITS or not _is_hex(key):
            raise InvalidInputError(
                f"trusted_keys: expected public keys of {_KEY_DIGITS} hexadecimal digits, as "
                "same-export --sign prints them"
            )
    return {key.lower() for key in trusted_keys}


def _parsed(raw: bytes, where: Path) -> tuple[str, dict[str, str], bytes]:
    try:
        content: Any = parse_json(raw)
        public, files, signature = (content[n] for n in ("public_key", "files", "signature"))
        if not isinstance(public, str) or not isinstance(files, dict):
            raise TypeError
        if not all(isinstance(part, str) for item in files.items() for part in item):
            raise TypeError
        return public, files, bytes.fromhex(signature)
    except (ValueError, TypeError, KeyError):
        raise BundleError(f"{where}: damaged; sign the bundle again: same-export --sign") from None


def _files(bundle: Bundle) -> dict[str, str]:
    """What is signed: path -> SHA-256."""
    plans = sorted(bundle.path.glob("targets/*/plans.json"))
    names = [MANIFEST_NAME, *(path.relative_to(bundle.path).as_posix() for path in plans)]
    return {name: _digest(read_inside(bundle.path, name, _MOST_BYTES)) for name in names}


def _message(files: dict[str, str]) -> bytes:
    return _PURPOSE + json.dumps(files, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_hex(text: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in text)
