// A started tracker in real time for minutes or hours, by the C interface: the recording goes in
// again and again, forwards and backwards so that no motion jumps, every stream at its own rate.
// One line of JSON a minute; ends with 1 when memory, files or threads grew, or a pose or sample
// was wrong. Linux, whose /proc tells what a process holds.
//
//   soak BUNDLE RECORDING.raw MINUTES [LIBONNXRUNTIME]
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "raw_reader.hpp"
#include "same/same.h"

static_assert(sizeof(raw_camera) == sizeof(same_camera), "the same fields in the same order");

namespace {

// As `same-bench soak` judges Python's tracker.
constexpr double kMostMib = 40.0;
constexpr double kDisplayHz = 90.0;
constexpr std::chrono::minutes kRow{1};
// So close to the ends of a round there is no sample: it would come again at nearly that time.
constexpr int64_t kTurnNs = 500'000;

int64_t now_ns() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void must(same_result result, const char* what) {
  if (result != SAME_OK) throw std::runtime_error(std::string(what) + ": " + same_last_error());
}

// Counts what the tracker gives out; written in its thread.
struct Watch {
  std::atomic<uint64_t> poses{0}, tracked{0}, not_finite{0}, backwards{0};
  // Since the last row: from a pose's time until it is there, and from one pose to the next.
  std::atomic<int64_t> worst_ns{0}, longest_gap_ns{0};
  int64_t newest_ns = 0, came_ns = 0;  // of the newest pose

  static void pose(const same_pose* pose, void* user) {
    Watch& watch = *static_cast<Watch*>(user);
    const int64_t came_ns = now_ns();
    if (watch.poses++ > 0) keep_most(watch.longest_gap_ns, came_ns - watch.came_ns);
    if (pose->timestamp_ns < watch.newest_ns) ++watch.backwards;
    watch.newest_ns = pose->timestamp_ns;
    watch.came_ns = came_ns;
    if (pose->status == SAME_INVALID) return;
    ++watch.tracked;
    keep_most(watch.worst_ns, came_ns - pose->timestamp_ns);
    const double* const joints = &pose->joints_world[0][0];
    if (!std::all_of(joints, joints + 3 * SAME_JOINTS, [](double x) { return std::isfinite(x); }))
      ++watch.not_finite;
  }

 private:
  static void keep_most(std::atomic<int64_t>& most, int64_t value) {
    if (value > most) most = value;
  }
};

// One minute's end.
struct Row {
  double rss_mib = 0.0;
  int threads = 0, descriptors = 0;

  static Row now() {
    Row row;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("VmRSS:", 0) == 0) row.rss_mib = std::atof(line.c_str() + 6) / 1024.0;
      if (line.rfind("Threads:", 0) == 0) row.threads = std::atoi(line.c_str() + 8);
    }
    for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd"))
      row.descriptors += !file.path().empty();
    --row.descriptors;  // the listing's own
    return row;
  }
};

// The recording as devices that never end.
class EndlessDevices {
 public:
  explicit EndlessDevices(const RawRecording& recording) : width_(recording.cameras[0].width) {
    std::vector<int64_t> frames;
    for (const RawEvent& event : recording.events)
      if (event.sample.kind == RAW_FRAME) frames.push_back(event.sample.timestamp_ns);
    if (frames.size() < 2) throw std::runtime_error("expected at least two frames");
    const auto [first, last] = std::minmax_element(frames.begin(), frames.end());
    // Half a frame beyond the first and the last one, so that the cameras' rhythm goes on.
    const int64_t half_ns = (*last - *first) / (2 * (static_cast<int64_t>(frames.size()) - 1));
    const int64_t start_ns = *first - half_ns;
    round_ns_ = *last + half_ns - start_ns;
    for (RawEvent event : recording.events) {
      event.sample.timestamp_ns -= start_ns;
      const int64_t offset_ns = event.sample.timestamp_ns;
      if (offset_ns > kTurnNs && offset_ns < round_ns_ - kTurnNs) events_.push_back(event);
    }
    std::stable_sort(events_.begin(), events_.end(), [](const RawEvent& a, const RawEvent& b) {
      return a.sample.timestamp_ns < b.sample.timestamp_ns;
    });
  }

  void send(same_tracker tracker, int64_t began_ns, const std::stop_token& stop) const {
    for (int64_t round_start_ns = began_ns;; round_start_ns += round_ns_) {
      const bool backwards = (round_start_ns - began_ns) / round_ns_ % 2 != 0;
      for (size_t i = 0; i < events_.size(); ++i) {
        const RawEvent& event = events_[backwards ? events_.size() - 1 - i : i];
        const int64_t offset_ns = event.sample.timestamp_ns;
        const int64_t at_ns = round_start_ns + (backwards ? round_ns_ - offset_ns : offset_ns);
        if (stop.stop_requested()) return;
        const std::chrono::nanoseconds due(at_ns);
        std::this_thread::sleep_until(std::chrono::steady_clock::time_point(due));
        put(tracker, event, at_ns);
      }
    }
  }

 private:
  // What the tracker refuses, it counts.
  void put(same_tracker tracker, const RawEvent& event, int64_t at_ns) const {
    const raw_sample& raw = event.sample;
    const auto device = static_cast<int32_t>(raw.kind);
    if (raw.kind == RAW_FRAME) {
      same_frame frame;
      same_frame_init(&frame, sizeof frame);
      frame.timestamp_ns = at_ns;
      frame.left = event.images[0];
      frame.right = event.images[1];
      frame.left_row_stride = frame.right_row_stride = width_;
      same_put_frame(tracker, &frame, SAME_ARRIVED_NOW);
    } else if (device < 3) {
      same_put_pose(tracker, device, at_ns, raw.position, raw.orientation_xyzw, SAME_ARRIVED_NOW);
    } else {
      same_put_leg(tracker, device, at_ns, raw.orientation_xyzw, raw.acceleration,
                   SAME_ARRIVED_NOW);
    }
  }

  int64_t width_, round_ns_ = 0;
  std::vector<RawEvent> events_;
};

same_stats stats_of(same_tracker tracker) {
  same_stats stats;
  same_stats_init(&stats, sizeof stats);
  must(same_get_stats(tracker, &stats), "same_get_stats");
  return stats;
}

uint64_t refused(const same_stats& stats) {
  uint64_t sum = 0;
  for (const same_stream_stats& stream : stats.streams) sum += stream.refused;
  return sum;
}

Row tell(same_tracker tracker, Watch& watch, double passed_s) {
  const same_stats stats = stats_of(tracker);
  const Row row = Row::now();
  std::printf(
      "{\"passed_s\": %.1f, \"poses\": %llu, \"tracked\": %llu, \"deadlines_missed\": %llu, "
      "\"worst_ms\": %.3f, \"longest_gap_ms\": %.3f, \"late_p99_ms\": %.3f, \"frames_tracked\": "
      "%llu, "
      "\"frame_p99_ms\": %.1f, \"refused\": %llu, \"rss_mib\": %.2f, \"threads\": %d, "
      "\"descriptors\": %d}\n",
      passed_s, static_cast<unsigned long long>(watch.poses),
      static_cast<unsigned long long>(watch.tracked),
      static_cast<unsigned long long>(stats.deadlines_missed),
      1e-6 * static_cast<double>(watch.worst_ns.exchange(0)),
      1e-6 * static_cast<double>(watch.longest_gap_ns.exchange(0)), stats.output_p99_ms,
      static_cast<unsigned long long>(stats.estimates), stats.estimate_p99_ms,
      static_cast<unsigned long long>(refused(stats)), row.rss_mib, row.threads, row.descriptors);
  std::fflush(stdout);
  return row;
}

// How many things went wrong, each told in a line.
int judge(const std::vector<Row>& rows, const same_stats& stats, const Watch& watch) {
  int faults = 0;
  const auto expect = [&](bool right, const char* what, double before, double after) {
    if (right) return;
    ++faults;
    std::fprintf(stderr, "soak: %s: %.2f became %.2f\n", what, before, after);
  };
  // The first minute is the tracker's warm-up.
  const Row& first = rows[rows.size() > 2 ? 1 : 0];
  const Row& last = rows.back();
  expect(last.rss_mib - first.rss_mib <= kMostMib, "MiB", first.rss_mib, last.rss_mib);
  expect(last.threads <= first.threads, "threads", first.threads, last.threads);
  expect(last.descriptors <= first.descriptors, "files", first.descriptors, last.descriptors);
  const auto none = [&](uint64_t count, const char* what) {
    expect(count == 0, what, 0.0, static_cast<double>(count));
  };
  none(watch.not_finite, "poses that are not finite");
  none(watch.backwards, "poses backwards in time");
  none(refused(stats), "samples refused");
  none(stats.engine_failures, "failures of the engine");
  none(stats.worker_errors, "errors of the live tracker");
  expect(watch.tracked > 0, "tracked poses", 0.0, 0.0);
  return faults;
}

int soak(const char* bundle, const RawRecording& recording, double minutes, const char* library) {
  same_rig rig;
  same_options options;
  same_live_options live;
  same_rig_init(&rig, sizeof rig);
  std::memcpy(&rig.left, &recording.cameras[0], sizeof rig.left);
  std::memcpy(&rig.right, &recording.cameras[1], sizeof rig.right);
  same_options_init(&options, sizeof options);
  options.threads = 1;
  options.onnxruntime_path = library;
  same_live_options_init(&live, sizeof live);
  live.display_rate_hz = kDisplayHz;
  const EndlessDevices devices(recording);
  same_tracker tracker;
  Watch watch;
  must(same_open(bundle, &rig, &options, &tracker), "same_open");
  must(same_on_pose(tracker, Watch::pose, &watch), "same_on_pose");
  must(same_start(tracker, &live), "same_start");

  const int64_t began_ns = now_ns();
  const int64_t end_ns = began_ns + static_cast<int64_t>(60e9 * minutes);
  std::jthread sender([&](const std::stop_token& stop) { devices.send(tracker, began_ns, stop); });
  std::vector<Row> rows;
  while (now_ns() < end_ns) {
    const std::chrono::nanoseconds left(end_ns - now_ns());
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(kRow, left));
    rows.push_back(tell(tracker, watch, 1e-9 * static_cast<double>(now_ns() - began_ns)));
  }
  sender.request_stop();
  sender.join();
  must(same_stop(tracker), "same_stop");
  const same_stats stats = stats_of(tracker);
  must(same_close(tracker), "same_close");
  return judge(rows, stats, watch);
}

}  // namespace

int main(int argc, char** argv) try {
  const double minutes = argc > 3 ? std::atof(argv[3]) : 0.0;
  if (argc > 5 || !(minutes > 0.0)) {
    std::fprintf(stderr, "usage: soak BUNDLE RECORDING.raw MINUTES [LIBONNXRUNTIME]\n");
    return 2;
  }
  return soak(argv[1], read_raw(argv[2]), minutes, argc > 4 ? argv[4] : nullptr) == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "soak: %s\n", error.what());
  return 1;
}
