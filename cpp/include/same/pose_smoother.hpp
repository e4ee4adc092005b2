// Takes jitter out of poses that follow each other, but not where they are measured well.
#pragma once

#include <optional>

#include "same/one_euro.hpp"
#include "same/pose.hpp"

namespace same {

// The head, and the hands whose controllers are tracked, stay where the pose has them and take
// their share of the body along: what is measured well is not delayed. For one thread at a time.
class PoseSmoother {
 public:
  explicit PoseSmoother(const OneEuro& settings) : settings_(settings) {}

  // The joints, world. `keep`: else they leave no trace.
  Joints smooth(const Pose& pose, bool keep);
  // Forgets what is carried from pose to pose.
  void reset() { newest_.reset(); }

 private:
  struct Carried {
    int64_t timestamp_ns;
    OneEuroState state;
  };

  OneEuro settings_;
  std::optional<Carried> newest_;
};

}  // namespace same
