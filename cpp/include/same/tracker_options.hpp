// Settings of a tracker: those of same_runtime.TrackerOptions and LiveOptions, which explain them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "same/one_euro.hpp"
#include "same/tracker_observer.hpp"

namespace same {

// Receives one-line warnings and hints, from any thread.
using LogSink = std::function<void(const char*)>;

struct TrackerOptions {
  double ground_y = 0.0;  // metres
  size_t ring_capacity = 256;
  int64_t max_gap_ns = 100'000'000;
  int64_t max_extrapolation_ns = 50'000'000;
  int64_t max_prediction_ns = 100'000'000;
  int64_t stale_after_ns = 200'000'000;
  int64_t max_view_skew_ns = 5'000'000;
  bool hold_bone_lengths = false;
  bool solve_rotations = false;
  bool plant_feet = false;  // with solve_rotations
  std::optional<OneEuro> smoothing;
  LogSink log;
  LogSink hint;  // the likely mistake behind implausible input; unset: to `log`
  TrackerObserver observer;
};

enum class BetweenFrames : int { REANCHOR, IMAGE_FREE, HOLD };

struct LiveOptions {
  double display_rate_hz = 90.0;  // 1..1000
  int64_t lead_ns = 0;
  BetweenFrames between_frames = BetweenFrames::REANCHOR;
  int64_t cameras_lost_after_ns = 100'000'000;
  double lost_rate_hz = 30.0;  // 1..240
  int64_t max_wait_ns = 5'000'000;
};

// Throws std::invalid_argument naming the field.
void validate(const TrackerOptions& options);
void validate(const LiveOptions& options);

}  // namespace same
