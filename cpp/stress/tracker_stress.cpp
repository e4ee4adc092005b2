// A live tracker under everything at once: five devices and two cameras from threads of their own,
// bad samples among them, readers, calibrations, resets, failures of the engine, starts and stops.
// Every pose is whole, nothing hangs, and nothing is lost count of.
#include <atomic>
#include <cmath>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "check_whole.hpp"
#include "same/stamp_errors.hpp"
#include "same/steady_clock.hpp"
#include "same/tracker.hpp"
#include "small_rig.hpp"
#include "stand_in_engine.hpp"

namespace {

constexpr int kHeight = 48, kWidth = 64;
constexpr int64_t kMs = 1'000'000;

// Runs `call`, which may refuse what it is given.
template <typename Call>
void tried(Call call) {
  try {
    call();
  } catch (const same::TimestampError&) {
  } catch (const same::StateError&) {
  } catch (const same::EngineError&) {
  } catch (const std::invalid_argument&) {
  }
}

void send_device(same::Tracker& tracker, int device, const std::atomic<bool>& done) {
  for (int i = 0; !done.load(); ++i) {
    const double x = 0.001 * (i % 300);
    const same::Quaternion turn = same::rotation_exp({0.0, x, 0.0});
    const int64_t now_ns = same::steady_ns();
    tried([&] {
      if (device < same::kNumPoseDevices)
        tracker.push_pose(device, now_ns, {{x, device == 0 ? 1.6 : 1.0, 0.1 * device}, turn});
      else
        tracker.push_leg(device, now_ns, {{0.0, x, 0.0}, turn});
    });
    if (i % 7 == 0) tried([&] { tracker.push_pose(0, now_ns, {{0, NAN, 0}, turn}); });
    if (i % 11 == 0) tried([&] { tracker.push_leg(3, -5, {}); });
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void send_images(same::Tracker& tracker, int view, const std::atomic<bool>& done) {
  std::vector<uint8_t> pixels(kHeight * kWidth);
  for (int i = 0; !done.load(); ++i) {
    for (size_t p = 0; p < pixels.size(); ++p)
      pixels[p] = static_cast<uint8_t>(p * 7 + p / 64 * 31);
    const int64_t stamp_ns = same::steady_ns() / (5 * kMs) * (5 * kMs);
    tried([&] { tracker.put_image(view, stamp_ns, {pixels.data(), kWidth}); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void read(same::Tracker& tracker, const std::atomic<bool>& done) {
  while (!done.load()) {
    check_whole(tracker.latest());
    tried([&] { check_whole(tracker.at_time(same::steady_ns() + 10 * kMs)); });
    const same::TrackerStats stats = tracker.stats();
    SAME_CHECK(stats.estimates.latency_max_ms >= 0.0);
    tried([&] { tracker.push({same::steady_ns(), {}}, {}); });
    if (const auto straps = std::as_const(tracker).calibration().leg_straps())
      for (const same::Quaternion& mounting : straps->mountings) check_finite(mounting);
    std::this_thread::yield();
  }
}

}  // namespace

int main() {
  auto owned = std::make_unique<same::StandInEngine>();
  same::StandInEngine& engine = *owned;
  same::TrackerOptions options;
  options.plant_feet = options.solve_rotations = true;
  options.smoothing = same::OneEuro{};
  std::atomic<int> logged{0};
  options.log = [&](const char*) { ++logged; };
  same::Tracker tracker(std::move(owned), small_rig(), {0.4, 0.2, same::DepthMode::RANGE}, options);
  std::atomic<int> given_out{0};
  tracker.on_pose([&](const same::Pose& pose) {
    check_whole(pose);
    ++given_out;
  });

  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  for (int device = 0; device < same::kNumDevices; ++device)
    threads.emplace_back([&, device] { send_device(tracker, device, done); });
  for (int view = 0; view < same::kNumViews; ++view)
    threads.emplace_back([&, view] { send_images(tracker, view, done); });
  for (int reader = 0; reader < 2; ++reader) threads.emplace_back([&] { read(tracker, done); });

  for (int round = 0; round < 12; ++round) {
    same::LiveOptions live;
    live.display_rate_hz = 400.0;
    live.between_frames = static_cast<same::BetweenFrames>(round % 3);
    live.cameras_lost_after_ns = 8 * kMs;
    tracker.start(live);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    tried([&] { tracker.recentre(round % 2 == 0); });
    tried([&] { tracker.set_floor(0.01 * round); });
    tried([&] {
      tracker.reference_space_changed(tracker.latest().timestamp_ns, {{0.1, 0, 0.2}, {}});
    });
    tried([&] { tracker.reference_space_changed(0, {{0.1, 0, NAN}, {}}); });
    tried([&] { tracker.floor_from_controller(); });
    tried([&] { tracker.set_leg_straps({1.6, {}}); });
    tried([&] { tracker.set_leg_straps({1.6, {same::Quaternion{0, NAN, 0, 1}, {}}}); });
    tracker.start_legs();
    engine.fails = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    engine.fails = false;
    if (round % 4 == 0) tracker.reset();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::thread other([&] { tracker.stop(); });
    tracker.stop();
    other.join();
    tried([&] { tracker.step(); });
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  const same::TrackerStats stats = tracker.stats();
  SAME_CHECK(given_out > 50);
  SAME_CHECK(engine.frames > 20);
  SAME_CHECK(stats.engine_failures > 0 && stats.worker_errors > 0);
  SAME_CHECK(logged > 0);
  for (int stream = 0; stream < same::kNumDevices; ++stream)
    SAME_CHECK(stats.streams[static_cast<size_t>(stream)].accepted > 100);
  std::printf("tracker_stress: passed, %d poses, %d frames\n", given_out.load(),
              engine.frames.load());
}
