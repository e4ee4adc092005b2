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

  // Whether between two frames each sensor turned about y by about `yaw`, whatever else it did.
  static std::array<bool, kNumLegDevices> turned(double yaw, const Readings& before,
                                                 const Readings& now);

  // The head's world was turned by `yaw` radians just before `now`. A sensor that turned `along`
  // of late goes on as it reads, as does one without a reading; any other is turned from now on,
  // but by a correction of some degrees.
  void world_turned(int64_t timestamp_ns, double yaw, const std::array<bool, kNumLegDevices>& along,
                    const Readings& now);
  // A sensor that turns along only now, soon after the world, goes on as it reads. `before`: two
  // frames ago, as one may lie between readings of both worlds.
  void catch_up(int64_t timestamp_ns, const Readings& before, const Readings& now);
  // Brings the legs of `states` into the head's world.
  void apply(DeviceStates& states) const;

  // When the world was turned last.
  int64_t turned_ns() const { return turned_ns_; }

 private:
  std::array<double, kNumLegDevices> yaws_{};
  // The newest turn of the world, and which sensors may follow it yet.
  double turned_ = 0.0;
  int64_t turned_ns_ = 0;
  std::array<bool, kNumLegDevices> may_follow_{};
};

}  // namespace same
