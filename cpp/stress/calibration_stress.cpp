// One thread estimates, others calibrate, read and finish poses, and leg sensors go on sending:
// what they see is whole, and a stand is measured in spite of them.
#include <array>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "same/pose_finisher.hpp"

namespace {

using same::operator+;

constexpr int64_t kFrameNs = 11'111'111;
constexpr int kFrames = 4'000;

same::DeviceStates devices_at(int64_t frame) {
  same::DeviceStates states;
  states.timestamp_ns = 1 + frame * kFrameNs;
  states.how.fill(same::LookupKind::EXACT);
  const double sway = 0.02 * std::sin(0.05 * static_cast<double>(frame));
  for (auto& pose : states.poses) pose.position = {sway, 1.6, 0.0};
  states.poses[1].position[1] = 0.01;
  return states;
}

same::Pose pose_at(const same::DeviceStates& states) {
  same::Pose pose;
  pose.timestamp_ns = states.timestamp_ns;
  pose.status = same::PoseStatus::VALID;
  for (int joint = 1; joint < same::kNumJoints; ++joint)
    pose.joints_world[joint] =
        pose.joints_world[same::parent_of(joint)] + same::kRestOffsets[joint];
  for (auto& joint : pose.joints_world) joint[1] += 0.95;
  for (int device = 0; device < same::kNumDevices; ++device)
    pose.device_orientations[device] = states.orientation(device);
  return pose;
}

// All lengths the same, so that a torn reading gives itself away.
void give_lengths(same::Calibration& calibration, double length) {
  same::BoneLengths lengths;
  lengths.fill(length);
  calibration.give_bone_lengths(lengths);
}

void check_whole(const same::Pose& pose) {
  const same::BoneLengths lengths = same::bone_lengths(pose.joints_world);
  for (int joint = 2; joint < same::kNumJoints; ++joint)
    SAME_CHECK(std::abs(lengths[joint] - lengths[1]) < 1e-9);
}

}  // namespace

int main() {
  same::Synchroniser synchroniser(64, {100'000'000, 50'000'000, false});
  same::Ingestion ingestion(synchroniser);
  std::atomic<int> failures{0};
  same::Calibration* reentered = nullptr;
  same::Calibration calibration(ingestion, 0.0, [&](const char* text) {
    SAME_CHECK(std::string(text).starts_with("leg calibration: "));
    SAME_CHECK(reentered->legs_state() != same::CalibrationState::DEFAULT);  // holds no lock here
    ++failures;
  });
  reentered = &calibration;
  give_lengths(calibration, 0.2);
  same::PoseFinisher solving({same::OneEuro{}, true, true, false}, calibration);
  same::PoseFinisher holding({std::nullopt, false, false, true}, calibration);

  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  others.emplace_back([&] {  // an app that changes its mind
    for (int i = 0; !done; ++i) {
      const same::DeviceStates states = devices_at(i);
      give_lengths(calibration, i % 2 ? 0.2 : 0.3);
      calibration.recentre(states, i % 3 == 0);
      calibration.give_floor(0.001 * (i % 7));
      calibration.floor_from_controller(states);
      if (i % 100 == 0) calibration.start_legs();
      SAME_CHECK(ingestion.change_space(
          i * kFrameNs, {{0.1, 0.0, -0.2}, same::rotation_about({0, 1, 0}, 0.01 * i)}));
      std::this_thread::yield();
    }
  });
  others.emplace_back([&] {  // one that looks
    while (!done) {
      const auto straps = calibration.leg_straps();
      SAME_CHECK(!straps || std::abs(straps->head_height_m - 1.6) < 0.1);
      calibration.legs_changed();
      const double y = calibration.ground_y();
      SAME_CHECK(y >= 0.0 && y <= 0.01);
      std::this_thread::yield();
    }
  });
  others.emplace_back([&] {  // a leg sensor
    for (int64_t i = 1; !done; ++i) {
      ingestion.push_leg(same::kNumPoseDevices, i * kFrameNs, i * kFrameNs, {});
      const auto states = synchroniser.look_up(i * kFrameNs);
      const same::Quaternion& leg = states.orientation(same::kNumPoseDevices);
      SAME_CHECK(std::abs(dot(leg, leg) - 1.0) < 1e-9);
      std::this_thread::yield();
    }
  });
  others.emplace_back([&] {  // a display that runs ahead
    for (int64_t frame = 0; !done; ++frame) {
      const same::Pose pose = pose_at(devices_at(frame));
      check_whole(holding.finish(pose, false));
      check_whole(solving.finish(pose, false));
      if (frame % 100 == 0) solving.reset();
      std::this_thread::yield();
    }
  });
  for (int64_t frame = 0; frame < kFrames; ++frame) {
    same::DeviceStates states = devices_at(frame);
    if (frame % 500 == 0) states.how[same::kNumPoseDevices] = same::LookupKind::MISSING;
    const same::Pose pose = pose_at(states);
    check_whole(solving.finish(pose));
    calibration.update(pose, states, calibration.ground_y_world());
  }
  done = true;
  for (std::thread& other : others) other.join();

  // Nobody moves the floor any more: legs and height are known after a few seconds of standing.
  calibration.start_legs();
  for (int64_t frame = kFrames; calibration.legs_state() == same::CalibrationState::COLLECTING ||
                                calibration.height_state() == same::CalibrationState::COLLECTING;
       ++frame) {
    SAME_CHECK(frame < kFrames + 400);
    const same::DeviceStates states = devices_at(frame);
    calibration.update(pose_at(states), states, 0.0);
  }
  SAME_CHECK(calibration.legs_state() == same::CalibrationState::DONE);
  SAME_CHECK(calibration.height_state() == same::CalibrationState::DONE);
  SAME_CHECK(failures <= kFrames / 500);

  same::DeviceStates nobody;
  for (const auto& refused :
       {+[](same::Calibration& c, const same::DeviceStates& s) { c.recentre(s, false); },
        +[](same::Calibration& c, const same::DeviceStates& s) { c.floor_from_controller(s); }}) {
    bool threw = false;
    try {
      refused(calibration, nobody);
    } catch (const std::invalid_argument&) {
      threw = true;
    }
    SAME_CHECK(threw);
  }
  std::puts("calibration_stress: passed");
}
