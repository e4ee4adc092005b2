#include "same/stamp_errors.hpp"

#include <cstdio>
#include <cstdlib>

namespace same {
namespace {

constexpr const char* kUnitsHint =
    "timestamps are integer nanoseconds: are these micro-, milliseconds or seconds?";

std::string ns(int64_t value) { return std::to_string(value) + " ns"; }

}  // namespace

TimestampError stamp_error(const std::string& name, PushStatus status, int64_t newest_ns,
                           int64_t timestamp_ns) {
  const std::string stamp = ns(timestamp_ns);
  const std::string newest = newest_ns < 0 ? std::string("none") : ns(newest_ns);
  std::string why;
  switch (status) {
    case PushStatus::DUPLICATE:
      why = "duplicate timestamp " + stamp + "; sample refused";
      break;
    case PushStatus::BACKWARDS:
      why = "timestamp " + stamp + " is before the newest, " + newest + "; sample refused";
      break;
    case PushStatus::TOO_CLOSE:
      why = stamp + " is right after the newest, " + newest + "; " + kUnitsHint;
      break;
    case PushStatus::JUMPED:
      why = "timestamp " + stamp + " is seconds ahead of the newest, " + newest +
            ", and of all other streams; sample refused until a second one agrees; " + kUnitsHint;
      break;
    case PushStatus::OUT_OF_RANGE:
      why = "timestamp " + stamp +
            " is not within 0..2**62 ns on the tracker's clock, where its stream's clock brings "
            "it; sample refused";
      break;
    default:
      why = "sample at " + stamp + " refused: the reader holds every slot";
  }
  return TimestampError(name + ": " + why);
}

void check_timestamp(const char* name, int64_t timestamp_ns) {
  if (timestamp_ns < 0 || timestamp_ns >= kMaxTimestampNs)
    throw TimestampError(std::string(name) + ": expected 0 <= nanoseconds < 2**62, got " +
                         std::to_string(timestamp_ns));
}

void check_same_clock(const char* name, int64_t timestamp_ns, const char* other_name,
                      std::optional<int64_t> other_ns, int64_t limit_ns) {
  if (!other_ns || std::abs(timestamp_ns - *other_ns) <= limit_ns) return;
  char apart[32];
  std::snprintf(apart, sizeof apart, "%.3g",
                1e-9 * static_cast<double>(std::abs(timestamp_ns - *other_ns)));
  throw TimestampError(std::string(name) + ": " + ns(timestamp_ns) + " is " + apart + " s from " +
                       other_name + " at " + ns(*other_ns) +
                       "; both must be on one monotonic clock, and " + kUnitsHint);
}

}  // namespace same
