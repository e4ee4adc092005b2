// The user's height: as high as the head was held upright so far, or given.
#pragma once

#include <array>
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
  // another unit came for metres. With another floor than before all is measured anew.
  void update(const DeviceStates& states, double ground_y);

  CalibrationState state() const { return state_; }
  // None before it is DONE or GIVEN. Who sat at first is taller once he stands.
  std::optional<double> user_height_m() const;

 private:
  // Seconds at which the head was highest: more than one, so that who stands on a step for a moment
  // is no taller for it.
  static constexpr size_t kSeconds = 3;

  void forget();

  CalibrationState state_ = CalibrationState::COLLECTING;
  double given_m_ = 0.0, ground_y_ = 0.0;
  std::array<double, kSeconds> held_m_{};  // how high the head was held, rising
  size_t seconds_ = 0;                     // of these that are known
  bool holds_ = false;                     // whether a second is under way; then:
  int64_t first_ns_ = 0, newest_ns_ = 0;
  double lowest_m_ = 0.0;
};

}  // namespace same
