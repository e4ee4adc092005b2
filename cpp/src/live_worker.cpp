#include "same/live_worker.hpp"

#include <chrono>
#include <cmath>
#include <string>
#include <utility>

#ifdef __linux__
#include <pthread.h>
#endif

#include "same/steady_clock.hpp"

namespace same {
namespace {

// As it is shown by debuggers and top; 15 characters at most.
void name_this_thread([[maybe_unused]] const char* name) {
#ifdef __linux__
  pthread_setname_np(pthread_self(), name);
#endif
}

}  // namespace

void Signal::set() {
  {
    const std::lock_guard lock(mutex_);
    set_ = true;
  }
  changed_.notify_one();
}

bool Signal::wait_and_clear(int64_t timeout_ns) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), [this] { return set_; });
  return std::exchange(set_, false);
}

LiveWorker::LiveWorker(LiveTasks tasks, const LiveOptions& options, Signal& frame_arrived,
                       LiveFigures& figures)
    : tasks_(std::move(tasks)),
      options_(options),
      frame_arrived_(frame_arrived),
      figures_(figures) {
  network_ = std::thread([this] { run_network(); });
  try {
    display_ = std::thread([this] { run_display(); });
  } catch (...) {
    stop();
    throw;
  }
}

void LiveWorker::request_stop() {
  {
    const std::lock_guard lock(stop_mutex_);
    stopping_.store(true);
  }
  stopped_.notify_all();
  frame_arrived_.set();
}

void LiveWorker::stop() {
  request_stop();
  const std::lock_guard lock(joining_);
  for (std::thread* thread : {&network_, &display_})
    if (thread->joinable()) thread->join();
}

void LiveWorker::run_network() {
  name_this_thread("same-network");
  const auto idle_ns = static_cast<int64_t>(std::llround(1e9 / options_.display_rate_hz));
  const auto lost_period_ns = static_cast<int64_t>(std::llround(1e9 / options_.lost_rate_hz));
  int64_t last_frame_ns = steady_ns(), last_blind_ns = 0;
  for (;;) {
    const bool arrived = frame_arrived_.wait_and_clear(idle_ns);
    if (stopping_.load()) return;
    try {
      const int64_t now_ns = steady_ns();
      if (arrived && tasks_.estimate_newest(stopping_)) {
        last_frame_ns = steady_ns();
      } else if (now_ns - last_frame_ns > options_.cameras_lost_after_ns) {
        if (now_ns - last_blind_ns >= lost_period_ns) {
          last_blind_ns = now_ns;
          tasks_.estimate_without_images();
        }
      } else if (options_.between_frames == BetweenFrames::IMAGE_FREE) {
        tasks_.predict_without_images();
      }
    } catch (const std::exception& error) {
      count(error.what());
    } catch (...) {
      count("something that is no exception");
    }
  }
}

void LiveWorker::run_display() {
  name_this_thread("same-display");
  const auto period_ns = static_cast<int64_t>(std::llround(1e9 / options_.display_rate_hz));
  int64_t due_ns = steady_ns();
  for (;;) {
    due_ns += period_ns;
    const int64_t behind_ns = steady_ns() - due_ns;
    if (behind_ns > period_ns) {
      const int64_t skipped = behind_ns / period_ns;
      figures_.deadlines_missed.fetch_add(static_cast<uint64_t>(skipped));
      due_ns += skipped * period_ns;
    }
    {
      std::unique_lock lock(stop_mutex_);
      const std::chrono::steady_clock::time_point due{std::chrono::nanoseconds(due_ns)};
      if (stopped_.wait_until(lock, due, [this] { return stopping_.load(); })) return;
    }
    try {
      give_out(due_ns, period_ns);
    } catch (const NoTime&) {
    } catch (const std::exception& error) {
      count(error.what());
    } catch (...) {
      count("something that is no exception");
    }
  }
}

void LiveWorker::give_out(int64_t due_ns, int64_t period_ns) {
  const int64_t now_ns = tasks_.clock();
  Pose pose;
  try {
    pose = options_.between_frames == BetweenFrames::HOLD
               ? tasks_.held_pose(now_ns)
               : tasks_.pose_at(now_ns + options_.lead_ns);
  } catch (const std::exception&) {
    tasks_.publish(tasks_.held_pose(now_ns));  // what was shown before is no longer true
    throw;
  }
  const int64_t ready_ns = steady_ns();
  figures_.output.add(ready_ns, ready_ns - due_ns);
  if (tasks_.given_out) tasks_.given_out(ready_ns, ready_ns - due_ns);
  if (ready_ns - due_ns > period_ns) figures_.deadlines_missed.fetch_add(1);
  tasks_.publish(pose);
}

void LiveWorker::count(const char* what) {
  if (stopping_.load()) return;  // the tracker is being closed
  if (figures_.errors.fetch_add(1) == 0 && tasks_.log)
    tasks_.log(
        ("the live tracker goes on after: " + std::string(what) + "; further errors are counted")
            .c_str());
}

}  // namespace same
