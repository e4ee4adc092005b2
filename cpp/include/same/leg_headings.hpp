// Which way leg sensors face once the head's world was recentred, of which they know nothing.
#pragma once

#include <array>
#include <optional>

#include "same/synchroniser.hpp"

namespace same {

// How much sooner or later than the head an application may turn its leg sensors along itself.
constexpr int64_t kTurnsAlongNs = 250'000'000;

// Turns about y that bring what each leg sensor reads into the head's world. For one thread.
class LegHeadings {
 public:
  // Sensor to the world that it reads in; none where there is no reading.
  using Readings = std::array<std::optional<Quaternion>, kNumLegDevices>;
  static Readings read(const DeviceStates& states);

  // The head's world was turned by `yaw` radians just before `now`; `before`: kTurnsAlongNs ago. A
  // sensor that turned along in that time goes on as it reads, any other is turned from now on, but
  // by a correction of some degrees.
  void world_turned(int64_t timestamp_ns, double yaw, const Readings& before, const Readings& now);
  // A sensor that turns along only between these two, soon after the world, goes on as it reads.
  void catch_up(int64_t timestamp_ns, const Readings& before, const Readings& now);
  // Brings the legs of `states` into the head's world.
  void apply(DeviceStates& states) const;

 private:
  std::array<double, kNumLegDevices> yaws_{};
  // The newest turn of the world, and which sensors may follow it yet.
  double turned_ = 0.0;
  int64_t turned_ns_ = 0;
  std::array<bool, kNumLegDevices> may_follow_{};
};

}  // namespace same
