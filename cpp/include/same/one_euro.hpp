// The One Euro filter: smooth while slow, quick while fast.
// Source: Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012.
#pragma once

#include "same/body.hpp"

namespace same {

struct OneEuro {
  double min_cutoff_hz = 2.0;     // of a joint that rests; lower is smoother and later
  double cutoff_per_speed = 4.0;  // Hz that each m/s of speed adds (the paper's beta)
};

// What the filter carries from one sample to the next.
struct OneEuroState {
  Joints values{};      // metres, filtered
  Joints raw{};         // metres, as they came
  Joints velocities{};  // m/s, filtered

  // At the first sample.
  static OneEuroState start(const Joints& points) { return {points, points, {}}; }
  // With one more sample, `gap_s` > 0 later.
  OneEuroState after(const Joints& points, double gap_s, const OneEuro& settings) const;
};

}  // namespace same
