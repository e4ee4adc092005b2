"""The one error hierarchy of the SDK.

It lives in the lowest Python layer so that every package above can raise from it;
applications import it as ``same_runtime.SameError``. Each message names the argument or
file, what was expected and what came; raising one never changes any state.
"""


class SameError(Exception):
    """Base of every error that the SDK raises on purpose."""


class InvalidInputError(SameError, ValueError):
    """An argument has the wrong type, shape, dtype, unit or value."""


class TimestampError(InvalidInputError):
    """A timestamp is a duplicate, runs backwards or is plainly in another unit."""


class BundleError(SameError):
    """A bundle is missing, damaged, tampered with or of an unsupported format."""


class CheckpointError(SameError):
    """A checkpoint cannot be read safely or does not fit the requested model."""


class RecordingError(SameError):
    """A recording is missing, damaged or lacks what the operation needs."""


class EngineError(SameError):
    """An inference backend is unavailable or failed."""


class ExportError(SameError):
    """An export did not reach the required parity or could not be written."""


class DataError(SameError):
    """A data set or a source of one is missing, damaged or inconsistent."""
