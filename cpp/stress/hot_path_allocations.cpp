// From a device's sample to the network's inputs, and from its outputs to a pose, nothing asks for
// memory: every allocation of this program is counted, and there must be none between opening and
// closing.
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "count_allocations.hpp"
#include "same/frame_assembler.hpp"
#include "same/frame_inbox.hpp"
#include "same/image_preprocessor.hpp"
#include "same/ingestion.hpp"
#include "same/plausibility.hpp"
#include "same/pose_finisher.hpp"
#include "same/prediction.hpp"

int main() {
  constexpr int kHeight = 48, kWidth = 64, kFrames = 2'000;
  constexpr int64_t kPeriodNs = 11'111'111;
  same::Synchroniser synchroniser(64, {100'000'000, 50'000'000, false});
  same::Ingestion ingestion(synchroniser);
  ingestion.set_clock(same::kNumPoseDevices, same::ClockMapping::estimated(1'000'000));
  same::FrameAssembler assembler(same::RigidTransform{}, 0.0, 32, true);
  uint64_t wakes = 0;
  same::FrameInbox inbox(ingestion, kHeight, kWidth, 0, [&] { ++wakes; });
  const same::ImagePreprocessor resize(kHeight, kWidth, kHeight / 2, kWidth / 2, 0.5, 0.25);
  const std::vector<uint8_t> pixels(kHeight * kWidth, 100);
  std::vector<float> small(kHeight * kWidth / 4);
  std::vector<float> features(same::kNumDevices * same::kFeatureDim), T(32 * 16), offsets(32),
      valid(32);
  same::Calibration calibration(ingestion, 0.0);
  calibration.start_legs();
  same::PoseFinisher finisher({same::OneEuro{}, true, true, false}, calibration);
  same::Plausibility plausibility(0.5, 0.25);
  int64_t implausible = 0;
  SAME_CHECK(allocations > 0);  // or else nothing is counted here

  const uint64_t before = allocations;
  int64_t frames = 0;
  for (int64_t i = 1; i <= kFrames; ++i) {
    const int64_t now_ns = i * kPeriodNs;
    const double x = 0.001 * static_cast<double>(i % 500);
    const same::Quaternion turn = same::rotation_exp({0.0, x, 0.0});
    for (int device = 0; device < same::kNumPoseDevices; ++device)
      ingestion.push_pose(device, now_ns, now_ns, {{x, 1.6, 0.0}, turn});
    for (int device = same::kNumPoseDevices; device < same::kNumDevices; ++device)
      ingestion.push_leg(device, now_ns, now_ns + 3'000'000, {{0.0, x, 0.0}, turn});
    if (i % 50 == 0) ingestion.push_pose(0, now_ns - 5, now_ns, {});  // refused
    const same::GrayImage image{pixels.data(), kWidth};
    if (i % 5 == 0) {
      inbox.put(now_ns, image, image, now_ns);
    } else {
      inbox.put_image(same::kLeftView, now_ns, image, now_ns);
      if (i % 3 > 0) inbox.put_image(same::kRightView, now_ns, image, now_ns);  // else left alone
    }
    if (const auto frame = inbox.newest())
      resize(frame->left.pixels, frame->left.row_stride, small.data());
    const int64_t at_ns = now_ns - kPeriodNs / 2;
    const same::DeviceStates states = synchroniser.look_up(at_ns);
    frames += assembler.assemble(at_ns, states,
                                 {features.data(), T.data(), offsets.data(), valid.data()});
    if (!states.has(same::kHead)) continue;
    // What comes after the network.
    implausible += plausibility.of_view(small.data(), kHeight / 2, kWidth / 2).has_value();
    plausibility.of_devices(states, calibration.ground_y_world());
    same::Estimate estimate;
    estimate.pose.timestamp_ns = at_ns;
    estimate.pose.status = same::PoseStatus::VALID;
    for (int joint = 1; joint < same::kNumJoints; ++joint)
      for (size_t axis = 0; axis < 3; ++axis)
        estimate.pose.joints_world[joint][axis] =
            estimate.pose.joints_world[same::parent_of(joint)][axis] +
            same::kRestOffsets[joint][axis];
    estimate.states = states;
    estimate.velocities = same::velocities_of({{-0.01, 0.0}, {}, 2});
    plausibility.of_estimate(estimate.pose, calibration.ground_y_world());
    finisher.finish(estimate.pose);
    calibration.update(estimate.pose, states, calibration.ground_y_world());
    finisher.finish(same::pose_at(now_ns, estimate, synchroniser, same::RigidTransform{}, {}),
                    false);
  }
  SAME_CHECK(allocations == before);
  SAME_CHECK(frames >= kFrames - 2);
  SAME_CHECK(inbox.counts().unpaired >= kFrames / 5 && wakes >= 4 * kFrames / 5);
  SAME_CHECK(implausible > kFrames / 2);  // flat images
  SAME_CHECK(calibration.bone_lengths().has_value());
  SAME_CHECK(calibration.legs_state() == same::CalibrationState::DONE);
  std::puts("hot_path_allocations: passed");
}
