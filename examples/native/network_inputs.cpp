// A headset's loop in C++: samples come at rates of their own, and each camera frame gets what the
// network takes. See docs/native.md.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "same/frame_assembler.hpp"
#include "same/ingestion.hpp"

namespace {

constexpr int64_t kMs = 1'000'000;  // ns
constexpr int64_t kStart = 1'000 * kMs;
constexpr size_t kWindow = 32, kSamples = 512;

// Stands for the tracking service: a head that nods and turns, hands that follow it.
same::PoseSample pose_of(int device, int64_t timestamp_ns) {
  const double s = 1e-9 * static_cast<double>(timestamp_ns - kStart);
  const double turn = 0.3 * std::sin(2.0 * s), side = device == 1 ? -0.2 : 0.2;
  const same::Quaternion turned{0.0, std::sin(turn / 2), 0.0, std::cos(turn / 2)};
  if (device == same::kHead) return {{0.0, 1.65, 0.0}, turned};
  return {{side, 1.1 + 0.1 * std::sin(3.0 * s), -0.3}, turned};
}

same::LegSample leg_of(int64_t timestamp_ns) {
  const double s = 1e-9 * static_cast<double>(timestamp_ns - kStart);
  const double bend = 0.2 * std::sin(4.0 * s);
  return {{0.0, 0.5 * std::sin(4.0 * s), 0.0}, {std::sin(bend / 2), 0.0, 0.0, std::cos(bend / 2)}};
}

}  // namespace

int main() {
  // At most 100 ms between the samples that a state lies between, at most 50 ms beyond the newest.
  same::Synchroniser synchroniser(kSamples, same::LookupLimits{100 * kMs, 50 * kMs});
  same::Ingestion ingestion(synchroniser);
  const same::RigidTransform T_head_cam_left;  // of your headset's calibration
  same::FrameAssembler assembler(T_head_cam_left, 0.0, kWindow);

  std::vector<float> features(same::kNumDevices * same::kFeatureDim), T_anchor_cam(kWindow * 16);
  std::vector<float> time_offset_s(kWindow), window_valid(kWindow);
  const same::AssembledFrame out{features.data(), T_anchor_cam.data(), time_offset_s.data(),
                                 window_valid.data()};

  // Poses every 2 ms, leg sensors every 5 ms, a frame every 11 ms. On a device each stream has a
  // thread of its own, and the last argument is when the sample came, on the tracker's clock.
  for (int64_t t = kStart; t < kStart + 500 * kMs; t += kMs) {
    const int64_t ms = (t - kStart) / kMs;
    for (int device = 0; device < same::kNumDevices; ++device) {
      const bool is_pose = device < same::kNumPoseDevices;
      if (ms % (is_pose ? 2 : 5) != 0) continue;
      const auto status = is_pose ? ingestion.push_pose(device, t, t, pose_of(device, t))
                                  : ingestion.push_leg(device, t, t, leg_of(t));
      if (status != same::PushStatus::ACCEPTED) return EXIT_FAILURE;
    }
    // Leg sensors as they are strapped on: look_up() leaves straps_measured false.
    if (ms % 11 == 10 && !assembler.assemble(t, synchroniser.look_up(t), out)) return EXIT_FAILURE;
  }
  for (int device = 0; device < same::kNumDevices; ++device) {
    std::printf("%-10s", same::kDeviceNames[device]);
    for (int i = 0; i < same::kFeatureDim; ++i)
      std::printf(" %7.3f", features[device * same::kFeatureDim + i] + 0.0F);
    std::printf("\n");
  }
  std::printf("%llu frames, window from %.0f ms\n",
              static_cast<unsigned long long>(assembler.frames()), 1e3 * time_offset_s[0]);
  return EXIT_SUCCESS;
}
