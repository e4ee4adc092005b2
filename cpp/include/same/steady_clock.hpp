// The tracker's clock where an app gives no other: Python's time.monotonic_ns().
#pragma once

#include <chrono>
#include <cstdint>

namespace same {

inline int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace same
