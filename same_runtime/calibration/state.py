"""How far a calibration is."""

from enum import Enum


class CalibrationState(Enum):
    """How far one calibration is."""

    DEFAULT = "nothing given or measured"
    COLLECTING = "measuring"
    DONE = "measured"
    GIVEN = "given by the application"
    FAILED = "the measurement did not work; start it again"
