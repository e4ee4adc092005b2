// Quantiles of few values.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace same {

// The value that the share `share`, 0..1, of `values` lies below, between two of them as far as it
// falls there. `values`, at least one, come out sorted.
inline double quantile(std::span<double> values, double share) {
  std::ranges::sort(values);
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace same
