"""What the compressed parts of an MCAP file unpack to, judged before they are unpacked."""

import struct
from pathlib import Path
from typing import IO, Final

import lz4.frame
import zstandard

from same_engines.errors import RecordingError

_CHUNK: Final = 0x06
_MAGIC_BYTES: Final = 8
_HEADER: Final = struct.Struct("<BQ")
_FIXED: Final = struct.Struct("<QQQII")
"""Of a chunk: first and last log time, unpacked size, CRC, length of the compression's name."""
_MOST_UNPACKED_BYTES: Final = 64 << 20
_LONGEST_NAME: Final = 16
_FRAME_HEADER_BYTES: Final = 32


def check_chunks(file: IO[bytes], path: Path) -> None:
    """Raise ``RecordingError`` when a record runs past the file's end or a chunk of the MCAP file
    unpacks to more than 64 MiB. Leaves ``file`` at its start."""
    end = file.seek(0, 2) - _MAGIC_BYTES
    at = _MAGIC_BYTES
    while at + _HEADER.size <= end:
        file.seek(at)
        opcode, length = _HEADER.unpack(file.read(_HEADER.size))
        if length > end - at - _HEADER.size:
            raise RecordingError(f"{path}: damaged (a record that runs past the end of the file)")
        if opcode == _CHUNK:
            _check_chunk(file, length, path)
        at += _HEADER.size + length
    file.seek(0)


def _check_chunk(file: IO[bytes], length: int, path: Path) -> None:
    fixed = file.read(min(length, _FIXED.size))
    if len(fixed) < _FIXED.size:
        raise RecordingError(f"{path}: damaged (a chunk without a header)")
    *_, unpacked, _, name_length = _FIXED.unpack(fixed)
    compression = file.read(min(name_length, _LONGEST_NAME))
    file.read(8)  # how long the records are: to the chunk's end
    left = length - _FIXED.size - name_length - 8
    if name_length > _LONGEST_NAME or left < 0:
        raise RecordingError(f"{path}: damaged (a chunk without a header)")
    if compression == b"zstd":
        # The frame's own word is what the library goes by, where there is one.
        try:
            size = zstandard.frame_content_size(file.read(min(left, _FRAME_HEADER_BYTES)))
        except zstandard.ZstdError as error:
            raise RecordingError(f"{path}: damaged ({error})") from None
        unpacked = max(unpacked, size)
    elif compression == b"lz4":
        unpacked = max(unpacked, _unpacked_lz4(file.read(left), path))
    if max(unpacked, left) > _MOST_UNPACKED_BYTES:
        raise RecordingError(
            f"{path}: a chunk of over {_MOST_UNPACKED_BYTES >> 20} MiB; write it again with "
            "smaller chunks: mcap filter --chunk-size 4194304"
        )


def _unpacked_lz4(content: bytes, path: Path) -> int:
    """How long it is unpacked, as far as that matters: LZ4 says nothing that one could rely on."""
    try:
        with lz4.frame.LZ4FrameDecompressor() as unpacker:
            return len(unpacker.decompress(content, _MOST_UNPACKED_BYTES + 1))
    except RuntimeError as error:
        raise RecordingError(f"{path}: damaged ({error})") from None
