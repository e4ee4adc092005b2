// Streams that another clock stamps than the others: found by comparing them, and named once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "same/ingestion.hpp"
#include "same/tracker_options.hpp"

namespace same {

// Any thread may call it.
class ClockWatch {
 public:
  // `ingestion` must outlive it.
  ClockWatch(const Ingestion& ingestion, LogSink log);

  // The streams whose stamps cannot be brought together with those of most others; each is logged
  // the first time. `now_ns`: now on the tracker's clock, where it is known; nothing may lie far
  // ahead of it.
  std::array<bool, kNumStreams> off_clock(std::optional<int64_t> now_ns = {});
  // The newest sample of all streams on the tracker's clock; 0 before the first.
  int64_t newest_ns();

 private:
  void name(int stream, std::optional<int64_t> now_ns) const;

  const Ingestion& ingestion_;
  const LogSink log_;
  std::array<std::atomic<bool>, kNumStreams> named_{};
};

}  // namespace same
