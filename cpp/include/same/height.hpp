// The user's height: measured while the head is upright, or given.
#pragma once

#include <array>
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
  std::optional<double> user_height_m() const { return user_height_m_; }

 private:
  static constexpr size_t kSamples = 120;

  CalibrationState state_ = CalibrationState::COLLECTING;
  std::optional<double> user_height_m_;
  std::array<double, kSamples> head_heights_m_{};
  size_t count_ = 0;
};

}  // namespace same
