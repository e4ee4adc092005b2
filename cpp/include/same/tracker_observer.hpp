// Watching a tracker at work, for benchmarks and profilers.
#pragma once

#include <cstdint>
#include <functional>

#include "same/part_times.hpp"

namespace same {

// Called in the thread that does the work: they must be quick and not throw. Empty: not called.
struct TrackerObserver {
  // A frame of `timestamp_ns` has become a pose, `latency_ns` after it arrived.
  std::function<void(int64_t timestamp_ns, int64_t latency_ns, const PartTimes& parts)> estimated;
  // A started tracker's pose was ready at `ready_ns` of steady_ns(), `late_ns` after its tick.
  std::function<void(int64_t ready_ns, int64_t late_ns)> given_out;
};

}  // namespace same
