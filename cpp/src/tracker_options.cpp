#include "same/tracker_options.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

#include "same/timestamp_gate.hpp"

namespace same {
namespace {

void check_number(const char* name, double value, double lowest, double highest, const char* unit) {
  if (!(value >= lowest && value <= highest))
    throw std::invalid_argument(std::string(name) + ": expected " + std::to_string(lowest) + ".." +
                                std::to_string(highest) + " " + unit + ", got " +
                                std::to_string(value));
}

void check_duration(const char* name, int64_t value_ns) {
  if (value_ns < 0 || value_ns >= kMaxTimestampNs)
    throw std::invalid_argument(std::string(name) + ": expected 0 <= nanoseconds < 2**62, got " +
                                std::to_string(value_ns));
}

}  // namespace

void validate(const TrackerOptions& options) {
  check_number("ground_y", options.ground_y, -1e3, 1e3, "metres");
  check_number("ring_capacity", static_cast<double>(options.ring_capacity), 2, 1 << 20, "samples");
  check_duration("max_gap_ns", options.max_gap_ns);
  check_duration("max_extrapolation_ns", options.max_extrapolation_ns);
  check_duration("max_prediction_ns", options.max_prediction_ns);
  check_duration("stale_after_ns", options.stale_after_ns);
  check_duration("max_view_skew_ns", options.max_view_skew_ns);
  if (options.smoothing) {
    check_number("smoothing.min_cutoff_hz", options.smoothing->min_cutoff_hz, 0.05, 100.0, "Hz");
    check_number("smoothing.cutoff_per_speed", options.smoothing->cutoff_per_speed, 0.0, 1e3,
                 "Hz per m/s");
  }
}

void validate(const LiveOptions& options) {
  check_number("display_rate_hz", options.display_rate_hz, 1.0, 1000.0, "Hz");
  check_number("lost_rate_hz", options.lost_rate_hz, 1.0, 240.0, "Hz");
  check_duration("lead_ns", options.lead_ns);
  check_duration("cameras_lost_after_ns", options.cameras_lost_after_ns);
  check_duration("max_wait_ns", options.max_wait_ns);
  const int mode = static_cast<int>(options.between_frames);
  if (mode < 0 || mode > static_cast<int>(BetweenFrames::HOLD))
    throw std::invalid_argument("between_frames: expected 0..2, got " + std::to_string(mode));
}

}  // namespace same
