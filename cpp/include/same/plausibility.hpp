// Could a person who wears the devices give these inputs? Reasons, and hints at likely mistakes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "same/pose.hpp"
#include "same/synchroniser.hpp"

namespace same {

// Whether a head can be so high over the floor, metres, worn by whoever does whatever.
bool is_head_height(double head_height_m);

// Judges frame after frame; for one thread at a time. Allocates nothing but what `on_hint` does.
class Plausibility {
 public:
  // The likely mistake behind a kind of implausible input, once for each kind; the text lives as
  // long as the call.
  using OnHint = std::function<void(const char*)>;

  // `image_mean`, `image_std`: of the network's images, in shares of white.
  Plausibility(double image_mean, double image_std, OnHint on_hint = {});

  // Forgets what has lasted; which hints were given stays known.
  void reset();

  // Why a network image shows nothing; none when it does.
  std::optional<Reason> of_view(const float* image, int height, int width);
  // Why the devices at one frame, a tracked head among them, cannot be worn ones.
  Reasons of_devices(const DeviceStates& states, double ground_y);
  // Why `pose`, made of the devices judged last and of images, is nobody or no body.
  Reasons of_estimate(const Pose& pose, double ground_y);

 private:
  // Whether something has held for `long_s` without a break.
  class Lasting {
   public:
    explicit Lasting(double long_s = 0.0) : long_s_(long_s) {}
    bool after(double step_s, bool holds);

   private:
    double long_s_;
    std::optional<double> for_s_;
  };

  // What lasts from frame to frame.
  struct Lasted {
    Lasted();

    std::optional<int64_t> last_ns;
    double step_s = 0.0;
    std::optional<PoseSample> still_pose;
    bool lies_still = false;
    Lasting still, no_body, upside_down, on_floor;
    std::array<Lasting, kNumDevices> out_of_reach, leg_up;
    std::array<Vec3, kNumDevices> mean_acceleration{};
  };

  enum class Hint : int {
    WHITE_IMAGES,
    FLAT_IMAGES,
    STILL_HEAD,
    POSE,
    HIGH_HEAD,
    HEAD_ON_FLOOR,
    HEAD_BELOW_FLOOR,
    UPSIDE_DOWN_HEAD,
    OUT_OF_REACH,
    UPSIDE_DOWN_LEG,
    GRAVITY,
  };
  static constexpr size_t kNumHints = 11;

  bool head_lies_still(const PoseSample& head, double step_s);
  bool head_is_implausible(const DeviceStates& states, double height_m, double step_s);
  void hint_at_head(double height_m, bool on_floor, bool upside_down);
  bool is_out_of_reach(int device, const DeviceStates& states, double step_s);
  bool leg_is_implausible(int device, const DeviceStates& states, double head_height_m,
                          double step_s);
  void hint_at_gravity(int device, const Vec3& mean);
  // Gives the first hint of each kind and device.
  template <typename... Values>
  void hint(Hint kind, int device, const char* format, Values... values);

  double grey_mean_, grey_std_;
  OnHint on_hint_;
  std::array<std::array<bool, kNumDevices>, kNumHints> hinted_{};
  Lasted lasted_;
};

}  // namespace same
