// The whole tracker under every fault that same_runtime/recording/faults.py injects: once sample
// after sample in this thread, once live with a thread for each stream, four times as fast as it
// was. Every number that goes into the network and that comes out is finite, bad samples are
// refused and counted, the fault is named, and it ends.
//
//   tracker_faults FOLDER, which tests/support/write_fault_recordings.py fills
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "check_whole.hpp"
#include "raw_reader.hpp"
#include "same/stamp_errors.hpp"
#include "same/steady_clock.hpp"
#include "same/tracker.hpp"
#include "small_rig.hpp"
#include "stand_in_engine.hpp"

namespace {

using Counts = std::array<uint64_t, same::kNumStreams>;

constexpr int kSpeed = 4;
constexpr int64_t kMs = 1'000'000;
constexpr uint64_t kEvery = 25;  // device samples have a faulty double

enum class Doubles { NONE, REFUSED, SOME };

struct Fault {
  std::string_view name;
  Doubles doubles = Doubles::NONE;  // which device samples are refused
  std::optional<same::Reason> reason;
};

// What must come of each; of others, that nothing is refused.
const Fault kFaults[] = {
    {"duplicate", Doubles::REFUSED, {}},
    {"backwards", Doubles::REFUSED, {}},
    {"milliseconds", Doubles::REFUSED, {}},
    {"epoch", Doubles::REFUSED, {}},
    {"zero-quaternion", Doubles::REFUSED, {}},
    {"jitter", Doubles::SOME, {}},
    {"leg-gap", Doubles::NONE, same::Reason::LEG_TRACKER_LOST},
    {"controller-gap", Doubles::NONE, same::Reason::CONTROLLER_LOST},
    {"head-gap", Doubles::NONE, same::Reason::HEAD_LOST},
    {"camera-covered", Doubles::NONE, same::Reason::CAMERA_LOST},
    {"black-images", Doubles::NONE, same::Reason::CAMERAS_COVERED},
    {"one-black-image", Doubles::NONE, same::Reason::CAMERAS_COVERED},
    {"white-images", Doubles::NONE, same::Reason::CAMERAS_SATURATED},
    {"clock-offset", Doubles::NONE, same::Reason::LEG_TRACKER_LOST},
    {"relocalisation", Doubles::NONE, same::Reason::RELOCALISED},
    {"head-millimetres", Doubles::NONE, same::Reason::IMPLAUSIBLE_HEAD},
    {"head-below-floor", Doubles::NONE, same::Reason::IMPLAUSIBLE_HEAD},
    {"head-local-space", Doubles::NONE, same::Reason::IMPLAUSIBLE_HEAD},
    {"poses-wxyz", Doubles::NONE, same::Reason::IMPLAUSIBLE_HEAD},
    {"legs-wxyz", Doubles::NONE, same::Reason::IMPLAUSIBLE_LEG},
    {"leg-gravity", Doubles::NONE, same::Reason::IMPLAUSIBLE_LEG},
    {"controller-millimetres", Doubles::NONE, same::Reason::IMPLAUSIBLE_CONTROLLER},
    {"on-table", Doubles::NONE, same::Reason::NOT_WORN},
};

// Looks at what the network would get, and sees no body where no camera sees anything.
class WatchedEngine : public same::StandInEngine {
 public:
  void run_frame(bool images_changed) override {
    for (const char* name : {"images", "imu_features", "T_anchor_cam", "time_offset_s"}) {
      const same::Tensor input = host_input(name);
      for (size_t i = 0; i < input.size(); ++i) SAME_CHECK(std::isfinite(input.data[i]));
    }
    StandInEngine::run_frame(images_changed);
    const float* const seen = host_input("view_valid").data;
    const same::Tensor confidence = host_output("joint_confidence");
    std::fill_n(confidence.data, confidence.size(), seen[0] + seen[1] > 0.0f ? 0.9f : 0.0f);
  }
};

std::unique_ptr<same::Tracker> opened() {
  same::TrackerOptions options;
  options.plant_feet = options.solve_rotations = options.hold_bone_lengths = true;
  options.smoothing = same::OneEuro{};
  return std::make_unique<same::Tracker>(std::make_unique<WatchedEngine>(), small_rig(),
                                         same::NetworkInputs{0.4, 0.2, same::DepthMode::RANGE},
                                         options);
}

void put(same::Tracker& tracker, const RawEvent& event) {
  const raw_sample& raw = event.sample;
  const double *p = raw.position, *q = raw.orientation_xyzw, *a = raw.acceleration;
  const same::Quaternion turn{q[0], q[1], q[2], q[3]};
  const int stream = static_cast<int>(raw.kind), width = tracker.rig().cameras[0].width;
  const same::GrayImage left{event.images[0], width}, right{event.images[1], width};
  if (stream < same::kNumPoseDevices)
    tracker.push_pose(stream, raw.timestamp_ns, {{p[0], p[1], p[2]}, turn}, raw.arrival_ns);
  else if (stream < same::kNumDevices)
    tracker.push_leg(stream, raw.timestamp_ns, {{a[0], a[1], a[2]}, turn}, raw.arrival_ns);
  else if (left.pixels && right.pixels)
    tracker.put_frame({raw.timestamp_ns, {left, right}}, raw.arrival_ns);
  else
    tracker.put_image(left.pixels ? 0 : 1, raw.timestamp_ns, left.pixels ? left : right,
                      raw.arrival_ns);
}

// Whether the tracker took it.
bool taken(same::Tracker& tracker, const RawEvent& event) {
  try {
    put(tracker, event);
    return true;
  } catch (const same::TimestampError&) {
  } catch (const std::invalid_argument&) {
  }
  return false;
}

void check_counts(const same::Tracker& tracker, const Counts& sent, const Counts& refused) {
  const same::TrackerStats stats = tracker.stats();
  for (size_t stream = 0; stream < sent.size(); ++stream) {
    SAME_CHECK(stats.streams[stream].refused == refused[stream]);
    if (stream < same::kNumDevices)
      SAME_CHECK(stats.streams[stream].accepted + refused[stream] == sent[stream]);
  }
  SAME_CHECK(stats.engine_failures == 0 && stats.worker_errors == 0);
}

void replay(const RawRecording& recording, const Fault& fault) {
  const auto tracker = opened();
  Counts sent{}, refused{};
  same::Reasons reasons;
  int poses = 0;
  for (const RawEvent& event : recording.events) {
    ++sent[event.sample.kind];
    if (!taken(*tracker, event)) ++refused[event.sample.kind];
    if (const auto pose = tracker->step()) {
      check_whole(*pose);
      reasons.add(pose->reasons);
      ++poses;
    }
    check_whole(tracker->at_time(event.sample.arrival_ns));
  }
  check_counts(*tracker, sent, refused);
  SAME_CHECK(poses > 150);
  SAME_CHECK(!fault.reason || reasons.contains(*fault.reason));
  for (size_t device = 0; device < same::kNumDevices; ++device) {
    const uint64_t good = sent[device] - refused[device];
    if (fault.doubles == Doubles::REFUSED)
      SAME_CHECK(refused[device] == good / kEvery);
    else
      SAME_CHECK(fault.doubles == Doubles::SOME || refused[device] == 0);
  }
}

void play_live(const RawRecording& recording) {
  const auto tracker = opened();
  std::atomic<int> given_out{0};
  tracker->on_pose([&](const same::Pose& pose) {
    check_whole(pose);
    ++given_out;
  });
  const int64_t first_ns = recording.events.front().sample.arrival_ns;
  const int64_t began_ns = same::steady_ns();
  const auto clock = [&] { return first_ns + kSpeed * (same::steady_ns() - began_ns); };
  same::LiveOptions live;
  live.display_rate_hz = kSpeed * 90.0;
  live.cameras_lost_after_ns /= kSpeed;
  live.between_frames = same::BetweenFrames::IMAGE_FREE;
  tracker->start(live, clock);

  Counts sent{}, refused{};
  std::vector<std::thread> threads;
  for (uint32_t stream = 0; stream < same::kNumStreams; ++stream)
    threads.emplace_back([&, stream] {
      for (const RawEvent& event : recording.events) {
        if (event.sample.kind != stream) continue;
        const int64_t early_ns = (event.sample.arrival_ns - clock()) / kSpeed;
        if (early_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(early_ns));
        ++sent[stream];
        if (!taken(*tracker, event)) ++refused[stream];
      }
    });
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done.load()) {
      check_whole(tracker->latest());
      try {
        check_whole(tracker->at_time(clock() + 10 * kMs));
      } catch (const same::TimestampError&) {
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  reader.join();
  tracker->stop();
  check_counts(*tracker, sent, refused);
  SAME_CHECK(given_out > 50 && tracker->stats().estimates.count > 20);
}

}  // namespace

int main(int argc, char** argv) {
  SAME_CHECK(argc == 2);
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  size_t known = 0;
  for (const auto& path : paths) {
    const std::string name = path.stem().string();
    const auto* found = std::find_if(std::begin(kFaults), std::end(kFaults),
                                     [&](const Fault& fault) { return fault.name == name; });
    known += found != std::end(kFaults);
    const RawRecording recording = read_raw(path.string());
    std::printf("%s\n", name.c_str());
    std::fflush(stdout);
    replay(recording, found != std::end(kFaults) ? *found : Fault{});
    play_live(recording);
  }
  SAME_CHECK(known == std::size(kFaults));
  std::printf("tracker_faults: passed, %zu recordings\n", paths.size());
}
