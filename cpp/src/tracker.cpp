#include "same/tracker.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <thread>
#include <utility>

#include "same/prediction.hpp"
#include "same/stamp_errors.hpp"
#include "same/steady_clock.hpp"
#include "sample_checks.hpp"
#include "tracker_turn.hpp"

namespace same {
namespace {

constexpr int64_t kOneSecondNs = 1'000'000'000;
constexpr int64_t kOneHourNs = 3600 * kOneSecondNs;
constexpr double kMaxDriftPpm = 10'000.0;  // a hundred times what crystals are off by
constexpr int64_t kMaxLatencyNs = 10 * kOneSecondNs;
constexpr std::ptrdiff_t kLongestStride = 1 << 24;  // bytes: more is a wrong number, not memory
constexpr auto kSamplePoll = std::chrono::microseconds(500);

// The tracker whose callback, clock, log or observer this thread is in.
thread_local const Tracker* calling = nullptr;

class Calling {
 public:
  explicit Calling(const Tracker* tracker) : before_(std::exchange(calling, tracker)) {}
  ~Calling() { calling = before_; }

 private:
  const Tracker* const before_;
};

// `call`, known to come from `tracker`.
template <typename... Args>
std::function<void(Args...)> called_by(const Tracker* tracker, std::function<void(Args...)> call) {
  if (!call) return {};
  return [tracker, call = std::move(call)](Args... args) {
    const Calling here(tracker);
    call(args...);
  };
}

const TrackerOptions& validated(const TrackerOptions& options) {
  validate(options);
  return options;
}

const CameraRig& validated(const CameraRig& rig) {
  rig.validate();
  rig.check_sides();
  return rig;
}

std::unique_ptr<Engine> checked(std::unique_ptr<Engine> engine) {
  if (!engine) throw std::invalid_argument("engine: expected one, got none");
  return engine;
}

}  // namespace

Tracker::Tracker(std::unique_ptr<Engine> engine, const CameraRig& rig, const NetworkInputs& inputs,
                 const TrackerOptions& options)
    : rig_(validated(rig)),
      options_(validated(options)),
      reach_{options.max_extrapolation_ns, options.max_prediction_ns, options.stale_after_ns},
      engine_(checked(std::move(engine))),
      synchroniser_(options.ring_capacity,
                    LookupLimits{options.max_gap_ns, options.max_extrapolation_ns, false}),
      ingestion_(synchroniser_),
      inbox_(ingestion_, rig.cameras[0].height, rig.cameras[0].width, options.max_view_skew_ns,
             [this] { frame_arrived_.set(); }),
      pipeline_(*engine_, rig, inputs, options_, ingestion_, synchroniser_, inbox_) {
  engine_->warm_up();
}

Tracker::~Tracker() { stop(); }

// What `check` gives; a sample that it throws for counts as refused.
template <typename Check>
auto Tracker::counted_if_bad(int stream, Check check) {
  try {
    return check();
  } catch (...) {
    ingestion_.count_invalid(stream);
    throw;
  }
}

void Tracker::push_pose(int device, int64_t timestamp_ns, const PoseSample& sample,
                        std::optional<int64_t> arrival_ns) {
  checked_index("device", device, 0, kNumPoseDevices);
  const PoseSample good = counted_if_bad(device, [&] {
    check_timestamp("timestamp_ns", timestamp_ns);
    return checked(sample);
  });
  const PushStatus status =
      ingestion_.push_pose(device, timestamp_ns, checked_arrival(arrival_ns), good);
  if (status != PushStatus::ACCEPTED)
    throw stamp_error(kDeviceNames[device], status, ingestion_.newest_ns(device), timestamp_ns);
}

void Tracker::push_leg(int device, int64_t timestamp_ns, const LegSample& sample,
                       std::optional<int64_t> arrival_ns) {
  checked_index("device", device, kNumPoseDevices, kNumDevices);
  const LegSample good = counted_if_bad(device, [&] {
    check_timestamp("timestamp_ns", timestamp_ns);
    return checked(sample);
  });
  const PushStatus status =
      ingestion_.push_leg(device, timestamp_ns, checked_arrival(arrival_ns), good);
  if (status != PushStatus::ACCEPTED)
    throw stamp_error(kDeviceNames[device], status, ingestion_.newest_ns(device), timestamp_ns);
}

void Tracker::put_frame(const StereoFrame& frame, std::optional<int64_t> arrival_ns) {
  check_frame(frame);
  judge("frame", inbox_.put(frame.timestamp_ns, frame.images[0], frame.images[1],
                            checked_arrival(arrival_ns)));
}

void Tracker::put_image(int view, int64_t timestamp_ns, const GrayImage& image,
                        std::optional<int64_t> arrival_ns) {
  if (view < 0 || view >= kNumViews)
    throw std::invalid_argument("view: expected 0 (left) or 1 (right), got " +
                                std::to_string(view));
  check_timestamp("image", timestamp_ns);
  if (!image.pixels) throw std::invalid_argument("image: expected pixels, got none");
  check_image(image);
  judge(view == 0 ? "left image" : "right image",
        inbox_.put_image(view, timestamp_ns, image, checked_arrival(arrival_ns)));
}

void Tracker::set_clock_given(int stream, int64_t offset_ns, double drift_ppm) {
  checked_index("stream", stream, 0, kNumStreams);
  if (offset_ns < -kMaxTimestampNs / 2 || offset_ns > kMaxTimestampNs / 2 ||
      !(std::abs(drift_ppm) <= kMaxDriftPpm))
    throw std::invalid_argument(
        "clock: expected offset_ns within +-2**61 and drift_ppm within "
        "+-10000, got " +
        std::to_string(offset_ns) + " and " + std::to_string(drift_ppm));
  set_clock(stream, ClockMapping::given(offset_ns, drift_ppm));
}

void Tracker::set_clock_estimated(int stream, int64_t min_latency_ns) {
  checked_index("stream", stream, 0, kNumStreams);
  if (min_latency_ns < 0 || min_latency_ns > kMaxLatencyNs)
    throw std::invalid_argument("min_latency_ns: expected 0..10 s, got " +
                                std::to_string(min_latency_ns) + " ns");
  set_clock(stream, ClockMapping::estimated(min_latency_ns));
}

void Tracker::set_clock(int stream, const ClockMapping& clock) {
  if (!ingestion_.set_clock(stream, clock) || stream != kCameraStream) return;
  const Turn turn(*this);
  pipeline_.restart_cameras();
}

Pose Tracker::push(const StereoFrame& frame, const Readings& readings) {
  const int64_t started_ns = steady_ns();
  check_frame(frame);
  const Readings good = checked(readings);
  const Turn turn(*this);
  check_not_started();
  return pipeline_.push(frame.timestamp_ns, frame.images, good, steady_ns(), started_ns);
}

Pose Tracker::push_frame(const StereoFrame& frame, std::optional<int64_t> arrival_ns) {
  const int64_t started_ns = steady_ns();
  check_frame(frame);
  const int64_t arrived_ns = checked_arrival(arrival_ns);
  const Turn turn(*this);
  check_not_started();
  return pipeline_.push_frame(frame.timestamp_ns, frame.images, arrived_ns, started_ns);
}

std::optional<Pose> Tracker::step() {
  check_open();
  check_not_started();
  if (estimate_newest(0, nullptr) != Taken::ESTIMATED) return {};
  return latest();
}

void Tracker::estimate_without_images() {
  const Turn turn(*this);
  pipeline_.estimate_without_images();
}

void Tracker::predict_without_images() {
  const Turn turn(*this);
  pipeline_.predict_without_images();
}

Pose Tracker::at_time(int64_t timestamp_ns) { return pose_at(timestamp_ns, false); }

Pose Tracker::latest() const {
  Pose pose;
  if (started()) {
    shown_.read(pose);
    return pose;
  }
  Snapshot snapshot;
  if (pipeline_.snapshot().read(snapshot) && snapshot.pose) pose = *snapshot.pose;
  return pose;
}

void Tracker::start(const LiveOptions& options, std::function<int64_t()> clock) {
  validate(options);
  if (is_inside()) throw StateError("the tracker cannot be started from its own callback");
  std::unique_lock lock(live_mutex_);
  for (;;) {
    check_open();
    check_not_started();
    std::shared_ptr<LiveWorker> former = worker_;  // one that was stopped from inside
    if (!former) break;
    lock.unlock();
    end(std::move(former));
    lock.lock();  // another thread may have started it meanwhile, and stopped it again
  }
  clock_ = [this, clock = std::move(clock)] {
    if (!clock) return steady_ns();
    const Calling here(this);
    const int64_t now_ns = clock();
    check_timestamp("clock()", now_ns);
    return now_ns;
  };
  shown_.clear();
  LiveTasks tasks{[this, wait_ns = options.max_wait_ns](const std::atomic<bool>& stopping) {
                    return estimate_newest(wait_ns, &stopping) != Taken::NOTHING;
                  },
                  [this] { estimate_without_images(); },
                  [this] { predict_without_images(); },
                  [this](int64_t timestamp_ns) { return pose_at(timestamp_ns, true); },
                  [this](int64_t now_ns) { return held_pose(now_ns); },
                  [this](const Pose& pose) { publish(pose); },
                  clock_,
                  called_by(this, options_.observer.given_out),
                  called_by(this, options_.log)};
  started_.store(true);
  try {
    worker_ = std::make_shared<LiveWorker>(std::move(tasks), options, frame_arrived_, figures_);
  } catch (...) {
    started_.store(false);
    throw;
  }
}

void Tracker::stop() {
  std::shared_ptr<LiveWorker> worker;
  {
    const std::lock_guard lock(live_mutex_);
    started_.store(false);
    worker = worker_;
  }
  if (!worker) return;
  worker->request_stop();
  if (!is_inside()) end(std::move(worker));
}

void Tracker::await_stop() {
  std::unique_lock lock(live_mutex_);
  if (started() || !worker_ || is_inside()) return;
  std::shared_ptr<LiveWorker> worker = worker_;
  lock.unlock();
  end(std::move(worker));
}

// What it was given is dropped without the lock: it may be the last to hold an application's
// object.
void Tracker::end(std::shared_ptr<LiveWorker> worker) {
  worker->stop();
  std::function<int64_t()> clock;
  const std::lock_guard lock(live_mutex_);
  if (worker_ != worker) return;  // another one has begun
  worker_.reset();
  clock_.swap(clock);
}

bool Tracker::is_inside() const { return calling == this || has_turn(); }

void Tracker::on_pose(std::function<void(const Pose&)> callback) {
  const std::lock_guard lock(callback_mutex_);
  callback_ = callback
                  ? std::make_shared<const std::function<void(const Pose&)>>(std::move(callback))
                  : nullptr;
}

void Tracker::reset() {
  const Turn turn(*this);
  pipeline_.restart();
  ingestion_.restart_spaces();  // stamps may begin anew
  shown_.clear();
}

void Tracker::close() {
  {
    const std::lock_guard lock(live_mutex_);
    closed_.store(true);
  }
  stop();
  if (has_turn()) return;
  std::unique_ptr<Engine> engine;  // ends without the lock
  const std::lock_guard lock(running_);
  engine_.swap(engine);
}

void Tracker::check_frame(const StereoFrame& frame) const {
  check_timestamp("frame.timestamp_ns", frame.timestamp_ns);
  for (const GrayImage& image : frame.images) check_image(image);
}

void Tracker::check_image(const GrayImage& image) const {
  const int width = rig_.cameras[0].width;
  const std::ptrdiff_t stride = image.row_stride;
  if (!image.pixels || (width <= stride && stride <= kLongestStride) ||
      (-kLongestStride <= stride && stride <= -width))
    return;
  throw std::invalid_argument("image: expected rows of " + std::to_string(width) + " to " +
                              std::to_string(kLongestStride) + " bytes, got a stride of " +
                              std::to_string(stride));
}

// Throws for a stamp that was refused, and warns of cameras that are not synchronised.
void Tracker::judge(const char* name, const FramePush& push) const {
  if (push.first_skew && options_.log)
    options_.log(
        "cameras: left and right images are stamped too far apart for stereo pairs; each goes on "
        "alone. Synchronise the cameras, correct their stamps, or allow it by max_view_skew_ns");
  if (push.status != PushStatus::ACCEPTED)
    throw stamp_error(push.at_gate ? name : "frame", push.status, push.newest_ns, push.refused_ns);
}

void Tracker::check_open() const {
  if (closed_.load()) throw StateError("the tracker is closed; open a new one");
}

void Tracker::check_not_started() const {
  if (started()) throw StateError("the tracker is started: put frames in, or stop it first");
}

Pose Tracker::pose_at(int64_t timestamp_ns, bool keep) {
  const int64_t started_ns = steady_ns();
  check_open();
  check_timestamp("timestamp_ns", timestamp_ns);
  Snapshot snapshot;
  pipeline_.snapshot().read(snapshot);
  const auto& newest = snapshot.predicted ? snapshot.predicted : snapshot.newest;
  if (!newest) {
    Pose pose;  // without a head, as it is for every frame so far
    pose.timestamp_ns = timestamp_ns;
    if (snapshot.pose)
      pose.reasons = snapshot.pose->reasons;
    else
      pose.reasons.add(Reason::WARMING_UP);
    return pose;
  }
  // Not by its age alone: the headset may have lain aside for long.
  if (timestamp_ns - newest->pose.timestamp_ns > kOneHourNs)
    check_same_clock("timestamp_ns", timestamp_ns, "now", now_ns(), kOneHourNs);
  else
    check_same_clock("timestamp_ns", timestamp_ns, "newest estimate", newest->pose.timestamp_ns,
                     kOneHourNs);
  Pose pose =
      same::pose_at(timestamp_ns, *newest, synchroniser_, rig_.cameras[0].T_head_cam, reach_);
  PoseFinisher& finisher = started() ? pipeline_.display_finisher() : pipeline_.finisher();
  const double head_y =
      (pose.T_world_cam_left * inverse(rig_.cameras[0].T_head_cam)).translation[1];
  const double head_m = head_y - pipeline_.calibration().ground_y_world();
  if (!pose.reasons.contains(Reason::HEAD_LOST) && !is_head_height(head_m)) {
    pose.reasons.add(Reason::IMPLAUSIBLE_HEAD);
    pose.status = PoseStatus::INVALID;
  }
  Pose finished = finisher.finish(pose, keep);
  finished.latency_ns = steady_ns() - started_ns;
  return finished;
}

Pose Tracker::held_pose(int64_t now_ns) const {
  Snapshot snapshot;
  pipeline_.snapshot().read(snapshot);
  Pose pose;
  if (!snapshot.pose) {
    pose.reasons.add(Reason::WARMING_UP);
    return pose;
  }
  pose = *snapshot.pose;
  const Judgement judgement = judged(pose, now_ns, synchroniser_.newest_ns(kHead), reach_);
  pose.status = judgement.status;
  pose.reasons = judgement.reasons;
  return pose;
}

Tracker::Taken Tracker::estimate_newest(int64_t max_wait_ns, const std::atomic<bool>* stopping) {
  std::unique_lock taking(taking_);
  const std::optional<InboxFrame> frame = inbox_.newest();
  taking.unlock();
  if (!frame || frame->timestamp_ns == pipeline_.newest_frame_ns()) return Taken::NOTHING;
  await_samples(frame->timestamp_ns, max_wait_ns, stopping);
  const Turn turn(*this);
  return pipeline_.estimate_frame(*frame) ? Taken::ESTIMATED : Taken::TOO_LATE;
}

// Waits until every device that is sending has sent a sample as new as the frame.
void Tracker::await_samples(int64_t timestamp_ns, int64_t max_wait_ns,
                            const std::atomic<bool>* stopping) {
  const int64_t give_up_ns = steady_ns() + max_wait_ns;
  while (steady_ns() < give_up_ns && !(stopping && stopping->load())) {
    bool all = true;
    for (int device = 0; device < kNumDevices; ++device) {
      const auto newest_ns = synchroniser_.newest_ns(device);
      if (newest_ns && *newest_ns < timestamp_ns && timestamp_ns - *newest_ns < options_.max_gap_ns)
        all = false;
    }
    if (all) return;
    std::this_thread::sleep_for(kSamplePoll);
  }
}

void Tracker::publish(const Pose& pose) {
  shown_.publish(pose);
  const std::lock_guard lock(callback_mutex_);
  const auto callback = callback_;
  const Calling here(this);
  if (started() && callback) (*callback)(pose);
}

std::optional<int64_t> Tracker::clock_now_ns() const {
  if (!started()) return {};
  std::unique_lock lock(live_mutex_);
  const auto clock = clock_;
  lock.unlock();
  if (!clock) return {};
  try {
    return clock();
  } catch (const NoTime&) {
    return {};
  }
}

// By the clock while started.
int64_t Tracker::now_ns() {
  if (const auto now_ns = clock_now_ns()) return *now_ns;
  return pipeline_.expected_now_ns();
}

}  // namespace same
