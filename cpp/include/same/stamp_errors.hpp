// Timestamps that cannot be right are refused, and the error names what is wrong with them.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "same/timestamp_gate.hpp"

namespace same {

struct TimestampError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// For a sample that was refused with `status`. `newest_ns`: negative before the first.
TimestampError stamp_error(const std::string& name, PushStatus status, int64_t newest_ns,
                           int64_t timestamp_ns);

// Throws TimestampError unless 0 <= timestamp_ns < kMaxTimestampNs.
void check_timestamp(const char* name, int64_t timestamp_ns);

// Throws TimestampError when two streams' times lie so far apart that they cannot be on one clock
// in one unit.
void check_same_clock(const char* name, int64_t timestamp_ns, const char* other_name,
                      std::optional<int64_t> other_ns, int64_t limit_ns);

}  // namespace same
