// How the leg sensors are strapped on: from a short upright stand, or given; and whether they
// still are.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "same/calibration_state.hpp"
#include "same/height.hpp"
#include "same/ingestion.hpp"
#include "same/mount_watch.hpp"

namespace same {

// Heights that a head can have in a stand, metres over the floor.
constexpr double kLowestHeadM = kLowestStatureM / 2, kHighestHeadM = kHighestStatureM;

struct LegStraps {
  double head_height_m = 0.0;  // the head's over the floor as the user stood for it
  LegMountings mountings;
};

// Measures both sensors' turn on the shin while the user stands. For one thread at a time; fixed
// memory.
class LegMounting {
 public:
  // Corrects the sensors in `ingestion`, which must outlive it.
  explicit LegMounting(Ingestion& ingestion) : ingestion_(ingestion) {}

  // As measured or given; none before. The floor is at `ground_y`.
  std::optional<LegStraps> straps(double ground_y) const;
  // Whether they are known, and not being measured anew, nor was that given up.
  bool known() const {
    return state_ == CalibrationState::DONE || state_ == CalibrationState::GIVEN;
  }
  // Takes what was measured before.
  void give(const LegStraps& straps);
  // As built: sensors count as worn right.
  void forget();
  // Begins a measurement, anew if one is under way.
  void start();
  // Takes the devices at one frame into a running measurement; the last one applies it. The floor
  // is at `ground_y`; `worn`: whether somebody wears the headset. Returns why the measurement
  // failed just now, else null.
  const char* update(const DeviceStates& states, double ground_y, bool worn);

  CalibrationState state() const { return state_; }
  // Why the last measurement failed; null where none did.
  const char* failure() const { return failure_; }
  // Whether a sensor sits otherwise than it was measured or given.
  bool changed() const { return watches_[0].changed() || watches_[1].changed(); }

 private:
  // More than a stand's frames.
  static constexpr size_t kMostHeights = 1024;

  // A stand under way.
  struct Stand {
    int64_t first_ns = 0, newest_ns = 0;
    size_t frames = 0;
    double heading_sine = 0.0, heading_cosine = 0.0;  // sums
    std::array<double, kMostHeights> head_ys{};
    struct Leg {
      Quaternion first;
      std::array<double, 16> outer_products{};  // sum of q q^T, whose main axis is the mean
    };
    std::array<Leg, kNumLegDevices> legs{};
  };
  // The head's height in the world, as the floor may be told after the stand.
  struct Measured {
    double head_y = 0.0;
    LegMountings mountings;
  };

  std::optional<double> stood_m(double ground_y) const;
  const char* measure(const DeviceStates& states);
  void apply();
  void begin(CalibrationState state);

  Ingestion& ingestion_;
  CalibrationState state_ = CalibrationState::DEFAULT;
  const char* failure_ = nullptr;
  Stand stand_;
  std::optional<LegStraps> given_;
  std::optional<Measured> measured_;
  std::array<MountWatch, kNumLegDevices> watches_{MountWatch(0), MountWatch(1)};
};

}  // namespace same
