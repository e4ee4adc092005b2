#include "same/pipeline.hpp"

#include <algorithm>
#include <string>

#include "same/stamp_errors.hpp"
#include "same/steady_clock.hpp"

namespace same {
namespace {

constexpr int64_t kOneSecondNs = 1'000'000'000;
constexpr int64_t kOneHourNs = 3600 * kOneSecondNs;
constexpr int64_t kLongestLagNs = kOneSecondNs / 2;

constexpr std::array<const char*, kNumDevices> kReadingNames{
    "imu.timestamp_ns (head)", "imu.timestamp_ns (ctrl_left)", "imu.timestamp_ns (ctrl_right)",
    "imu.timestamp_ns (leg_left)", "imu.timestamp_ns (leg_right)"};

const char* stream_name(int stream) {
  return stream == kCameraStream ? "cameras" : kDeviceNames[stream];
}

FinisherOptions finishing(const TrackerOptions& options) {
  return {options.smoothing, options.solve_rotations, options.plant_feet,
          options.hold_bone_lengths && !options.solve_rotations};
}

}  // namespace

Pipeline::Pipeline(Engine& engine, const CameraRig& rig, const NetworkInputs& inputs,
                   const TrackerOptions& options, Ingestion& ingestion, Synchroniser& synchroniser,
                   FrameInbox& inbox)
    : log_(options.log),
      observer_(options.observer),
      ingestion_(ingestion),
      synchroniser_(synchroniser),
      inbox_(inbox),
      estimator_(engine, rig, inputs, options.ground_y, options.hint ? options.hint : options.log,
                 times_),
      clock_watch_(ingestion, options.log),
      reads_straps_(inputs.reads_straps),
      calibration_(ingestion, options.ground_y, options.log),
      finisher_(finishing(options), calibration_),
      display_finisher_(finishing(options), calibration_) {}

Pose Pipeline::push(int64_t timestamp_ns, const StereoImages& images, const Readings& readings,
                    int64_t arrival_ns, int64_t started_ns) {
  const Judged frame = judge_frame(timestamp_ns, arrival_ns);
  check_readings(readings, arrival_ns, frame);
  const int64_t mapped_ns = admit_frame(timestamp_ns, arrival_ns);
  if (frame.restarted) ingestion_.clear_devices();
  store_readings(readings, arrival_ns);
  return estimate(mapped_ns, images, started_ns);
}

Pose Pipeline::push_frame(int64_t timestamp_ns, const StereoImages& images, int64_t arrival_ns,
                          int64_t started_ns) {
  const Judged frame = judge_frame(timestamp_ns, arrival_ns);
  check_near_head(frame.mapped_ns);
  return estimate(admit_frame(timestamp_ns, arrival_ns), images, started_ns);
}

bool Pipeline::estimate_frame(const InboxFrame& frame) {
  const auto head_ns = synchroniser_.newest_ns(kHead);
  frame_lag_ns_ = std::clamp<int64_t>(head_ns.value_or(0) - frame.timestamp_ns, 0, kLongestLagNs);
  lag_known_ns_ = steady_ns();
  if (!may_follow(frame.timestamp_ns, frame.restarts, ingestion_.gate(kHead).restarts())) {
    // Image-free estimates went past the frame.
    frames_too_late_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  estimate(frame.timestamp_ns, {frame.left, frame.right}, frame.came_ns, frame.skewed);
  return true;
}

void Pipeline::estimate_without_images() {
  const int64_t started_ns = steady_ns();
  const uint64_t head_restarts = ingestion_.gate(kHead).restarts();
  const auto head_ns = synchroniser_.newest_ns(kHead);
  if (!head_ns) return;
  // As far behind as frames come: they would find themselves too late for ever, each in turn.
  const int64_t lag_ns = started_ns - lag_known_ns_ < kOneSecondNs ? frame_lag_ns_ : 0;
  const int64_t at_ns = std::max<int64_t>(*head_ns - lag_ns, 0);
  if (may_follow(at_ns, frame_restarts_, head_restarts)) estimate(at_ns, {}, started_ns);
}

void Pipeline::predict_without_images() {
  const int64_t started_ns = steady_ns();
  const auto head_ns = synchroniser_.newest_ns(kHead);
  if (!current_.newest || !head_ns || *head_ns <= current_.newest->pose.timestamp_ns) return;
  current_.predicted =
      estimator_.predict_without_images(*current_.newest, look_up(*head_ns), started_ns);
  publish();
}

void Pipeline::restart() {
  ingestion_.clear_devices();
  restart_cameras();
}

void Pipeline::restart_cameras() {
  ingestion_.reopen(kCameraStream);
  inbox_.clear();
  forget();
}

// That a head is lost for long does not make it one of another clock.
void Pipeline::check_near_head(int64_t frame_ns) {
  const auto head_ns = synchroniser_.newest_ns(kHead);
  if (!head_ns || frame_ns - *head_ns <= kOneHourNs)
    return check_same_clock("frame.timestamp_ns", frame_ns, "head", head_ns, kOneHourNs);
  check_same_clock("frame.timestamp_ns", frame_ns, "now", expected_now_ns(), kOneHourNs);
}

int64_t Pipeline::expected_now_ns() {
  const int64_t newest_ns = clock_watch_.newest_ns();
  Snapshot snapshot;
  snapshot_.read(snapshot);
  if (snapshot.tracked_ns == 0 || !snapshot.pose) return newest_ns;
  return std::max(newest_ns, snapshot.pose->timestamp_ns + steady_ns() - snapshot.tracked_ns);
}

// A frame's time on the tracker's clock, and whether its time line begins anew with it.
Pipeline::Judged Pipeline::judge_frame(int64_t timestamp_ns, int64_t arrival_ns) {
  times_ = {};
  const PartTimer timer(times_, Part::SYNCHRONISE);
  const Admission frame = ingestion_.consider(kCameraStream, timestamp_ns, arrival_ns, true);
  if (!frame.accepted()) {
    const int64_t newest_ns = ingestion_.newest_ns(kCameraStream);
    // Counted, so that a clock that began anew is believed in the end.
    const Admission counted = ingestion_.admit(kCameraStream, timestamp_ns, arrival_ns, true);
    throw stamp_error("frame", counted.verdict.status, newest_ns, timestamp_ns);
  }
  const int64_t newest_ns = newest_frame_ns();
  if (newest_ns != kNever && frame.mapped_ns <= newest_ns && !frame.verdict.restarted)
    throw stamp_error("frame", PushStatus::BACKWARDS, newest_ns, frame.mapped_ns);
  return {frame.mapped_ns, frame.verdict.restarted};
}

// Takes a frame that was judged. Carried state is forgotten where time begins anew.
int64_t Pipeline::admit_frame(int64_t timestamp_ns, int64_t arrival_ns) {
  const PartTimer timer(times_, Part::SYNCHRONISE);
  const Admission frame = ingestion_.admit(kCameraStream, timestamp_ns, arrival_ns, true);
  if (frame.verdict.restarted) forget();
  return frame.mapped_ns;
}

void Pipeline::check_readings(const Readings& readings, int64_t arrival_ns, const Judged& frame) {
  const PartTimer timer(times_, Part::SYNCHRONISE);
  std::optional<TimestampError> first;
  std::array<bool, kNumDevices> refused{};
  for (int device = 0; device < kNumDevices; ++device) {
    if (!readings.has(device)) continue;
    const Admission reading = ingestion_.consider(device, readings.timestamp_ns, arrival_ns, true);
    check_same_clock(kReadingNames[device], reading.mapped_ns, "frame", frame.mapped_ns,
                     kOneSecondNs);
    refused[device] = !reading.accepted() &&
                      (!frame.restarted || reading.verdict.status == PushStatus::OUT_OF_RANGE);
  }
  for (int device = 0; device < kNumDevices; ++device) {
    if (!refused[device]) continue;
    const int64_t newest_ns = ingestion_.newest_ns(device);
    const Admission counted = ingestion_.admit(device, readings.timestamp_ns, arrival_ns, true);
    if (!first)
      first = stamp_error(stream_name(device), counted.verdict.status, newest_ns,
                          readings.timestamp_ns);
  }
  if (first) throw *first;
}

void Pipeline::store_readings(const Readings& readings, int64_t arrival_ns) {
  const PartTimer timer(times_, Part::SYNCHRONISE);
  for (int device = 0; device < kNumDevices; ++device) {
    PushStatus status = PushStatus::ACCEPTED;
    if (device < kNumPoseDevices) {
      if (const auto& pose = readings.poses[device])
        status = ingestion_.push_pose(device, readings.timestamp_ns, arrival_ns, *pose, true);
    } else if (const auto& leg = readings.legs[device - kNumPoseDevices]) {
      status = ingestion_.push_leg(device, readings.timestamp_ns, arrival_ns, *leg, true);
    }
    if (status != PushStatus::ACCEPTED)
      throw stamp_error(stream_name(device), status, ingestion_.newest_ns(device),
                        readings.timestamp_ns);
  }
}

DeviceStates Pipeline::look_up(int64_t timestamp_ns) {
  const PartTimer timer(times_, Part::SYNCHRONISE);
  DeviceStates states = synchroniser_.look_up(timestamp_ns);
  states.straps_measured = reads_straps_ && calibration_.leg_straps_hold();
  return states;
}

Pose Pipeline::estimate(int64_t timestamp_ns, const StereoImages& images, int64_t started_ns,
                        bool skewed) {
  const DeviceStates states = look_up(timestamp_ns);
  newest_frame_ns_.store(timestamp_ns, std::memory_order_relaxed);
  current_.tracked_ns = steady_ns();
  current_.predicted.reset();
  const uint64_t dropped = inbox_.counts().dropped;
  Reasons reasons;
  if (dropped != dropped_) reasons.add(Reason::OVERLOADED);
  const auto off = clock_watch_.off_clock();
  if (std::find(off.begin(), off.end(), true) != off.end()) reasons.add(Reason::OTHER_CLOCK);
  if (skewed) reasons.add(Reason::VIEW_SKEW);
  if (calibration_.legs_changed()) reasons.add(Reason::MOUNT_CHANGED);

  std::optional<Estimate> found;
  try {
    if (torn_) {
      estimator_.forget();
      torn_ = false;
    }
    estimator_.assembler().set_ground_y(calibration_.ground_y_world());
    found = estimator_.estimate(states, images, reasons, started_ns);
  } catch (...) {
    engine_failures_.fetch_add(1, std::memory_order_relaxed);
    restart_torn();
    throw;
  }
  if (!found) return headless_pose(timestamp_ns, reasons, started_ns);
  dropped_ = dropped;
  relocalisations_.store(estimator_.assembler().relocalisations(), std::memory_order_relaxed);
  current_.newest = found;
  current_.pose = finisher_.finish(found->pose);
  estimates_.add(timestamp_ns, found->pose.latency_ns);
  if (observer_.estimated) observer_.estimated(timestamp_ns, found->pose.latency_ns, times_);
  calibration_.update(found->pose, found->states, estimator_.assembler().ground_y());
  publish();
  return *current_.pose;
}

Pose Pipeline::headless_pose(int64_t timestamp_ns, const Reasons& reasons, int64_t started_ns) {
  Pose pose;
  if (current_.newest) {
    const Pose& last = current_.newest->pose;
    pose.joints_world = last.joints_world;
    pose.joints_cam_left = last.joints_cam_left;
    pose.T_world_cam_left = last.T_world_cam_left;
  }
  pose.timestamp_ns = timestamp_ns;
  pose.reasons.add(Reason::HEAD_LOST);
  pose.reasons.add(reasons);
  pose.latency_ns = steady_ns() - started_ns;
  current_.pose = finisher_.finish(pose);
  publish();
  return *current_.pose;
}

// Whether an estimate at `timestamp_ns` may be next: it is later than the last one, or the clock
// that it is from began anew since.
bool Pipeline::may_follow(int64_t timestamp_ns, uint64_t frame_restarts, uint64_t head_restarts) {
  times_ = {};
  const int64_t newest_ns = newest_frame_ns();
  if (newest_ns != kNever && timestamp_ns <= newest_ns) {
    if (frame_restarts == frame_restarts_ && head_restarts == head_restarts_) return false;
    if (current_.newest && timestamp_ns <= current_.newest->pose.timestamp_ns) forget();
  }
  frame_restarts_ = frame_restarts;
  head_restarts_ = head_restarts;
  return true;
}

void Pipeline::forget() {
  newest_frame_ns_.store(kNever, std::memory_order_relaxed);
  current_ = {};
  publish();
  finisher_.reset();
  display_finisher_.reset();
  torn_ = true;  // until the backend has forgotten too: it may fail to
  estimator_.forget();
  torn_ = false;
}

void Pipeline::restart_torn() {
  try {
    restart();
  } catch (const std::exception& error) {
    // What is thrown on is the first failure, not what it led to.
    if (log_)
      log_(
          (std::string("the backend could not be reset after it failed: ") + error.what()).c_str());
  }
}

void Pipeline::publish() { snapshot_.publish(current_); }

}  // namespace same
