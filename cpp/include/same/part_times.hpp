// What the parts of a frame's estimate take, beside the network.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "same/steady_clock.hpp"

namespace same {

// Samples brought to the frame's time, the network's inputs from them, its images, and joints from
// its output.
enum class Part : int { SYNCHRONISE, FEATURES, PREPROCESS, OUTPUT };
constexpr std::array<const char*, 4> kPartNames{"synchronise", "features", "preprocess", "output"};

using PartTimes = std::array<int64_t, kPartNames.size()>;  // nanoseconds of one frame

// Adds its own life to a part's time.
class PartTimer {
 public:
  PartTimer(PartTimes& times, Part part)
      : part_ns_(times[static_cast<size_t>(part)]), began_ns_(steady_ns()) {}
  ~PartTimer() { part_ns_ += steady_ns() - began_ns_; }
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  int64_t& part_ns_;
  const int64_t began_ns_;
};

}  // namespace same
