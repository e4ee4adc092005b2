// After its first frames the tracker asks for no memory: samples, frames, poses, skeletons and
// predictions of thousands of frames are counted, and there must be no allocation among them.
#include <cstdint>
#include <memory>
#include <vector>

#include "check.hpp"
#include "count_allocations.hpp"
#include "same/tracker.hpp"
#include "small_rig.hpp"
#include "stand_in_engine.hpp"

namespace {

constexpr int kHeight = 48, kWidth = 64;
constexpr int64_t kPeriodNs = 11'111'111;

}  // namespace

int main() {
  same::TrackerOptions options;
  options.plant_feet = options.solve_rotations = true;
  options.smoothing = same::OneEuro{};
  same::Tracker tracker(std::make_unique<same::StandInEngine>(), small_rig(),
                        {0.4, 0.2, same::DepthMode::RANGE}, options);
  std::vector<uint8_t> pixels(kHeight * kWidth);
  for (size_t p = 0; p < pixels.size(); ++p) pixels[p] = static_cast<uint8_t>(p * 7 + p / 64 * 31);
  const same::StereoImages images{{{pixels.data(), kWidth}, {pixels.data(), kWidth}}};

  uint64_t before = 0;
  int poses = 0;
  constexpr int kWarmUp = 600, kFrames = 4'000;
  for (int i = 1; i <= kFrames; ++i) {
    if (i == kWarmUp) before = allocations;
    const int64_t now_ns = i * kPeriodNs;
    const double x = 0.001 * (i % 500);
    const same::Quaternion turn = same::rotation_exp({0.0, x, 0.0});
    for (int device = 0; device < same::kNumPoseDevices; ++device)
      tracker.push_pose(device, now_ns, {{x, 1.6, 0.1 * device}, turn}, now_ns);
    for (int device = same::kNumPoseDevices; device < same::kNumDevices; ++device)
      tracker.push_leg(device, now_ns, {{0.0, x, 0.0}, turn}, now_ns);
    const int64_t frame_ns = now_ns - kPeriodNs / 4;
    if (i % 2 == 0) {
      poses += tracker.push_frame({frame_ns, images}, now_ns).skeleton.has_value();
    } else {
      tracker.put_frame({frame_ns, images}, now_ns);
      poses += tracker.step().has_value();
    }
    // The first frame is before the first sample: nothing is known of the head.
    SAME_CHECK(tracker.at_time(now_ns + kPeriodNs).skeleton || i == 1);
  }
  SAME_CHECK(before > 0);  // or else nothing is counted here
  SAME_CHECK(allocations == before);
  SAME_CHECK(poses >= kFrames - 1);
  std::puts("tracker_allocations: passed");
}
