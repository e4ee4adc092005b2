// Rate and latency of something that happens again and again, over its last 512 times.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace same {

struct RunningFigures {
  uint64_t count = 0;
  double rate_hz = 0.0;
  double latency_median_ms = 0.0, latency_p99_ms = 0.0, latency_max_ms = 0.0;
};

// One writer, any reader. Fixed memory.
class RollingFigures {
 public:
  void add(int64_t time_ns, int64_t latency_ns);
  // Of what is held; a reader may see one event half new.
  RunningFigures figures() const;

 private:
  static constexpr size_t kKept = 512;

  std::array<std::atomic<int64_t>, kKept> times_ns_{}, latencies_ns_{};
  std::atomic<uint64_t> count_{0}, anew_{0};  // anew_: first event since time went back
};

}  // namespace same
