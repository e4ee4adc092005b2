// How far one calibration is.
#pragma once

namespace same {

// same_runtime/calibration/state.py says what each means; names and order are the same.
enum class CalibrationState : int { DEFAULT, COLLECTING, DONE, GIVEN, FAILED };

}  // namespace same
