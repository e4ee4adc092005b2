// Notices that a leg sensor does not sit any more as it was calibrated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "same/recent_values.hpp"
#include "same/synchroniser.hpp"

namespace same {

// Where on the shin the left and the right sensor sit, turned outward from straight ahead: mid of
// the training's.
constexpr std::array<double, kNumLegDevices> kOutwardRad{std::numbers::pi / 6.0,
                                                         -std::numbers::pi / 6.0};

// One calibrated leg sensor, frame after frame; for one thread at a time. Fixed memory.
//
// While the head is as high as it was in the calibration's stand and the sensor still, the sensor
// must be about as upright as then, and look about where the head looks.
class MountWatch {
 public:
  // `leg`: 0 is the left one, 1 the right one.
  explicit MountWatch(int leg) : leg_(leg) {}

  // Forgets what was seen: the sensor was calibrated anew.
  void reset() { *this = MountWatch(leg_); }
  // Takes the devices at one frame. `head_share`: of the head's height as it stood.
  void update(const DeviceStates& states, double head_share);

  bool changed() const { return changed_; }

 private:
  struct Turned {
    int64_t timestamp_ns = 0;
    Quaternion orientation;
  };

  static constexpr size_t kTiltSamples = 40, kTurnSamples = 80;
  // More than half a second of frames.
  static constexpr size_t kRecentFrames = 256;

  template <size_t capacity>
  static bool mostly_above(const RecentValues<double, capacity>& samples, double limit);
  template <size_t capacity>
  static bool mostly_below(const RecentValues<double, capacity>& samples, double limit);

  bool is_still(int64_t now_ns, const Quaternion& sensor);
  void judge(const PoseSample& head, const Quaternion& sensor);

  int leg_;
  bool changed_ = false;
  RecentValues<Turned, kRecentFrames> recent_;
  int64_t due_ns_ = 0;
  RecentValues<double, kTiltSamples> tilts_;
  RecentValues<double, kTurnSamples> turns_;
};

}  // namespace same
