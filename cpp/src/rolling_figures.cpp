#include "same/rolling_figures.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace same {
namespace {

// As NumPy's percentile does: on a straight line between the two nearest. `sorted` is not empty.
double percentile(const std::vector<double>& sorted, double percent) {
  const double place = 0.01 * percent * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

}  // namespace

void RollingFigures::add(int64_t time_ns, int64_t latency_ns) {
  const uint64_t count = count_.load(std::memory_order_relaxed);
  if (count > 0 && time_ns < times_ns_[(count - 1) % kKept].load(std::memory_order_relaxed))
    anew_.store(count, std::memory_order_relaxed);
  times_ns_[count % kKept].store(time_ns, std::memory_order_relaxed);
  latencies_ns_[count % kKept].store(latency_ns, std::memory_order_relaxed);
  count_.store(count + 1, std::memory_order_release);
}

RunningFigures RollingFigures::figures() const {
  RunningFigures figures;
  figures.count = count_.load(std::memory_order_acquire);
  const auto held = static_cast<size_t>(std::min<uint64_t>(figures.count, kKept));
  if (held == 0) return figures;
  // Times from before time began anew are of another count.
  const uint64_t anew = anew_.load(std::memory_order_relaxed);
  const uint64_t since = std::min<uint64_t>(figures.count - std::min(anew, figures.count), kKept);
  int64_t first = 0, last = 0;
  std::vector<double> latencies_ms(held);
  for (size_t i = 0; i < held; ++i) {
    latencies_ms[i] = 1e-6 * static_cast<double>(latencies_ns_[i].load(std::memory_order_relaxed));
  }
  for (uint64_t back = 1; back <= since; ++back) {
    const int64_t time_ns =
        times_ns_[(figures.count - back) % kKept].load(std::memory_order_relaxed);
    first = back == 1 ? time_ns : std::min(first, time_ns);
    last = back == 1 ? time_ns : std::max(last, time_ns);
  }
  std::sort(latencies_ms.begin(), latencies_ms.end());
  if (last > first)
    figures.rate_hz = 1e9 * static_cast<double>(since - 1) / static_cast<double>(last - first);
  figures.latency_median_ms = percentile(latencies_ms, 50.0);
  figures.latency_p99_ms = percentile(latencies_ms, 99.0);
  figures.latency_max_ms = latencies_ms.back();
  return figures;
}

}  // namespace same
