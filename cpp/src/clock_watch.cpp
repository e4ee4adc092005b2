#include "same/clock_watch.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace same {
namespace {

const char* stream_name(int stream) {
  return stream == kCameraStream ? "cameras" : kDeviceNames[stream];
}

}  // namespace

ClockWatch::ClockWatch(const Ingestion& ingestion, LogSink log)
    : ingestion_(ingestion), log_(std::move(log)) {}

std::array<bool, kNumStreams> ClockWatch::off_clock(std::optional<int64_t> now_ns) {
  const auto off = ingestion_.off_clock(now_ns);
  for (int stream = 0; stream < kNumStreams; ++stream)
    if (off[static_cast<size_t>(stream)] && !named_[static_cast<size_t>(stream)].exchange(true))
      name(stream, now_ns);
  return off;
}

int64_t ClockWatch::newest_ns() {
  const auto off = off_clock();
  int64_t newest_ns = 0;
  for (int stream = 0; stream < kNumStreams; ++stream)
    if (!off[static_cast<size_t>(stream)])
      newest_ns = std::max(newest_ns, ingestion_.newest_ns(stream));
  return newest_ns;
}

void ClockWatch::name(int stream, std::optional<int64_t> now_ns) const {
  if (!log_) return;
  const int reference = ingestion_.reference_stream();
  const bool is_reference = stream == reference;
  const int64_t other_ns =
      is_reference ? now_ns.value_or(0) : std::max<int64_t>(ingestion_.newest_ns(reference), 0);
  char text[256];
  std::snprintf(text, sizeof text,
                "%s: its timestamps are on another clock, %+.6g s from %s; stamp it by the same "
                "clock, or give its clock in the tracker's options",
                stream_name(stream),
                1e-9 * static_cast<double>(ingestion_.newest_ns(stream) - other_ns),
                is_reference ? "the tracker's clock" : stream_name(reference));
  log_(text);
}

}  // namespace same
