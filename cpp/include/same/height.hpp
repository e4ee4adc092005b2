// The user's height: as high as the head was held upright so far, or given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "same/calibration_state.hpp"
#include "same/synchroniser.hpp"

namespace same {

constexpr double kLowestStatureM = 0.8, kHighestStatureM = 2.5;

// For one thread at a time; fixed memory.
class Height {
 public:
  // The stature, metres, kLowestStatureM..kHighestStatureM.
  void give(double height_m);
  // Takes the head in `states`, whose world has its floor at `ground_y`. A head where no upright
  // person has it does not count: the headset lies on a table, the floor is not the world's, or
  // another unit came for metres.
  void update(const DeviceStates& states, double ground_y);

  CalibrationState state() const { return state_; }
  // None before it is DONE or GIVEN. Who sat at first is taller once he stands. The floor is at
  // `ground_y`.
  std::optional<double> user_height_m(double ground_y) const;

 private:
  static constexpr size_t kSamples = 120;
  static constexpr int64_t kHeldNs = 1'000'000'000;

  CalibrationState state_ = CalibrationState::COLLECTING;
  double given_m_ = 0.0;
  size_t count_ = 0;
  // In the world, as the floor may be told later.
  std::optional<double> held_y_;
  double lowest_y_ = 0.0;  // since `since_ns_`, once there is a sample
  int64_t since_ns_ = 0;
  bool started_ = false;
};

}  // namespace same
