// The live tracker's two threads: one runs the network, one gives poses out at display rate.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "same/pose.hpp"
#include "same/rolling_figures.hpp"
#include "same/tracker_options.hpp"

namespace same {

// Thrown by a clock that cannot tell the time now and has said why: that pose is left out.
struct NoTime : std::exception {};

// Set by one side, awaited by the other.
class Signal {
 public:
  void set();
  // Whether it was set, at the latest after `timeout_ns`; it is not set any more then.
  bool wait_and_clear(int64_t timeout_ns);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// What a worker counts; a tracker's sessions share one.
struct LiveFigures {
  RollingFigures output;
  std::atomic<uint64_t> deadlines_missed{0}, errors{0};
};

// What the threads run; each returns quickly or is the network itself. They may throw.
struct LiveTasks {
  // Runs the network on the newest frame, not waiting for samples once `stopping`; false when
  // there is no new one.
  std::function<bool(const std::atomic<bool>& stopping)> estimate_newest;
  std::function<void()> estimate_without_images;
  std::function<void()> predict_without_images;
  std::function<Pose(int64_t timestamp_ns)> pose_at;
  std::function<Pose(int64_t now_ns)> held_pose;  // the newest estimate as judged at a time
  std::function<void(const Pose&)> publish;
  std::function<int64_t()> clock;                                    // now on the tracker's clock
  std::function<void(int64_t ready_ns, int64_t late_ns)> given_out;  // empty: nobody watches
  LogSink log;
};

// Runs until stop(). Whatever a task throws is counted, its first time logged, and never ends a
// thread.
class LiveWorker {
 public:
  // Throws std::system_error when the system gives no more threads.
  LiveWorker(LiveTasks tasks, const LiveOptions& options, Signal& frame_arrived,
             LiveFigures& figures);
  ~LiveWorker() { stop(); }

  // Lets both threads end after what they are at.
  void request_stop();
  // Ends both threads; waits for a running estimate. Not from one of them.
  void stop();

 private:
  void run_network();
  void run_display();
  void give_out(int64_t due_ns, int64_t period_ns);
  void count(const char* what);

  const LiveTasks tasks_;
  const LiveOptions options_;
  Signal& frame_arrived_;
  LiveFigures& figures_;
  std::atomic<bool> stopping_{false};
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  std::mutex joining_;
  std::thread network_, display_;
};

}  // namespace same
