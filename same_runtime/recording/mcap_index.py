"""What an MCAP file says about itself, whether or not it has the optional index records."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from mcap.reader import make_reader
from mcap.records import Channel, Message, Metadata, Statistics
from mcap.stream_reader import StreamReader
from mcap.summary import Summary

from same_engines.errors import RecordingError
from same_engines.files.regular_files import open_regular
from same_runtime.recording.mcap_chunks import check_chunks

_MAGIC: Final = b"\x89MCAP0\r\n"


@dataclass
class McapIndex:
    """Channels, message counts by channel, log times and the metadata record asked for."""

    is_complete: bool = False
    """Whether the file's own index suffices; else its messages are found by reading it through."""
    metadata: dict[str, str] | None = None
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    start_ns: int = 0
    end_ns: int = 0

    @property
    def message_counts(self) -> dict[str, int]:
        """Topic -> number of messages."""
        topics: Counter[str] = Counter()
        for key, channel in self.channels.items():
            topics[channel.topic] += self.counts[key]
        return dict(topics)


def read_index(path: Path, metadata_name: str) -> McapIndex:
    """Read the index of the MCAP file at ``path``, by scanning the file where it has none.

    Raises ``RecordingError`` when it is missing, not a file, not MCAP, truncated or damaged.
    """
    try:
        with open_regular(path) as file:
            _check_ends(file, path)
            check_chunks(file, path)
            reader = make_reader(file)
            summary = reader.get_summary()
            found = next((m for m in reader.iter_metadata() if m.name == metadata_name), None)
            if _is_complete(summary, found):
                assert summary is not None and summary.statistics is not None
                return _from_summary(summary, summary.statistics, found)
            file.seek(0)
            return _scan(file, metadata_name)
    except RecordingError:
        raise
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # the MCAP reader raises many kinds on damaged files
        raise damaged(path, error) from None


def damaged(path: Path, error: BaseException) -> RecordingError:
    """The error of a file whose structure cannot be read."""
    return RecordingError(f"{path}: damaged ({str(error) or type(error).__name__:.200})")


def _check_ends(file: IO[bytes], path: Path) -> None:
    start = file.read(len(_MAGIC))
    if start != _MAGIC[: len(start)] or not start:
        raise RecordingError(f"{path}: not a readable recording: not an MCAP file")
    size = file.seek(0, 2)
    file.seek(max(0, size - len(_MAGIC)))
    if size < 2 * len(_MAGIC) or file.read() != _MAGIC:
        raise RecordingError(
            f"{path}: truncated: the MCAP file has no end, as when its writer was stopped or the "
            "copy broke off; what is there may be rescued with: mcap recover"
        )
    file.seek(0)


def _is_complete(summary: Summary | None, found: Metadata | None) -> bool:
    if summary is None or summary.statistics is None:
        return False
    statistics = summary.statistics
    has_channels = len(summary.channels) >= statistics.channel_count and all(
        channel.schema_id == 0 or channel.schema_id in summary.schemas
        for channel in summary.channels.values()
    )
    return has_channels and (found is not None or statistics.metadata_count == 0)


def _from_summary(summary: Summary, statistics: Statistics, found: Metadata | None) -> McapIndex:
    return McapIndex(
        True,
        None if found is None else found.metadata,
        dict(summary.channels),
        Counter(statistics.channel_message_counts),
        statistics.message_start_time,
        statistics.message_end_time,
    )


def _scan(file: IO[bytes], metadata_name: str) -> McapIndex:
    index = McapIndex()
    for record in StreamReader(file).records:
        if isinstance(record, Channel):
            index.channels[record.id] = record
        elif isinstance(record, Metadata) and record.name == metadata_name:
            index.metadata = index.metadata or record.metadata
        elif isinstance(record, Message):
            if not index.counts:
                index.start_ns = index.end_ns = record.log_time
            index.counts[record.channel_id] += 1
            index.start_ns = min(index.start_ns, record.log_time)
            index.end_ns = max(index.end_ns, record.log_time)
    return index
