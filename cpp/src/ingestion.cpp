#include "same/ingestion.hpp"

#include <algorithm>
#include <cmath>

namespace same {

Ingestion::Ingestion(Synchroniser& synchroniser) : synchroniser_(synchroniser) {
  for (int stream = 0; stream < kNumStreams; ++stream) reopen_inside(stream);
}

bool Ingestion::set_clock(int stream, const ClockMapping& clock) {
  const std::lock_guard lock(inside_);
  clocks_[stream] = clock;
  if (newest_ns(stream) == kNever) return false;
  if (stream != kCameraStream) synchroniser_.clear(stream);
  reopen_inside(stream);
  return true;
}

ClockMapping Ingestion::clock(int stream) const {
  const std::lock_guard lock(inside_);
  return clocks_[stream];
}

bool Ingestion::change_space(int64_t timestamp_ns, const PoseSample& origin, bool legs_too) {
  const std::lock_guard lock(inside_);
  if (timestamp_ns < spaces_.newest_ns()) return false;
  spaces_.change(timestamp_ns, origin);
  if (legs_too) leg_spaces_.change(timestamp_ns, origin);
  return true;
}

void Ingestion::restart_spaces() {
  const std::lock_guard lock(inside_);
  restart_spaces_inside();
}

void Ingestion::restart_spaces_inside() {
  spaces_.restart();
  leg_spaces_.restart();
}

ReferenceSpaces Ingestion::spaces() const {
  const std::lock_guard lock(inside_);
  return spaces_;
}

bool Ingestion::witnessed(int stream, int64_t mapped_ns) const {
  for (int other = 0; other < kNumStreams; ++other) {
    const int64_t newest = newest_ns(other);
    if (other != stream && newest != kNever && std::abs(mapped_ns - newest) <= kMaxJumpNs)
      return true;
  }
  return false;
}

// `clock` learns from the arrival: the stream's own, or a copy of it.
Admission Ingestion::weigh(int gate, int64_t timestamp_ns, int64_t arrival_ns, bool trusted,
                           ClockMapping& clock) const {
  // The device's own stamps are judged: a mapping that learns may move, they may not.
  const bool believed =
      trusted || (!clock.estimates() && witnessed(stream_of(gate), clock.mapped(timestamp_ns)));
  Admission admission{gates_[gate].weigh(timestamp_ns, believed)};
  if (!admission.accepted()) {
    admission.mapped_ns = clock.mapped(timestamp_ns);
    return admission;
  }
  if (admission.verdict.restarted) clock.restart();
  admission.mapped_ns = clock.map(timestamp_ns, arrival_ns);
  if (admission.mapped_ns < 0 || admission.mapped_ns >= kMaxTimestampNs)
    admission.verdict = {PushStatus::OUT_OF_RANGE};
  return admission;
}

Admission Ingestion::consider(int gate, int64_t timestamp_ns, int64_t arrival_ns,
                              bool trusted) const {
  const std::lock_guard lock(inside_);
  ClockMapping clock = clocks_[stream_of(gate)];
  return weigh(gate, timestamp_ns, arrival_ns, trusted, clock);
}

Admission Ingestion::admit(int gate, int64_t timestamp_ns, int64_t arrival_ns, bool trusted) {
  const std::lock_guard lock(inside_);
  return admit_inside(gate, timestamp_ns, arrival_ns, trusted);
}

Admission Ingestion::admit_inside(int gate, int64_t timestamp_ns, int64_t arrival_ns,
                                  bool trusted) {
  const int stream = stream_of(gate);
  const uint64_t breaks = clocks_[stream].breaks();
  const int64_t device_step_ns = timestamp_ns - gates_[gate].newest_ns();
  const Admission admission = weigh(gate, timestamp_ns, arrival_ns, trusted, clocks_[stream]);
  gates_[gate].record(timestamp_ns, admission.verdict);
  if (!admission.accepted()) return admission;
  const bool restarted = admission.verdict.restarted;
  const bool clock_broke = clocks_[stream].breaks() != breaks;
  if (clock_broke && !restarted) gates_[gate].count_restart();
  const int64_t newest = newest_ns(stream);
  // Changes are of the tracker's time, which goes on where only a device's clock begins anew.
  if (restarted && (stream == kHead || stream == kCameraStream) && admission.mapped_ns < newest)
    restart_spaces_inside();
  if (stream == kCameraStream) {
    // The other view's image may be the newer one.
    note_newest(stream, restarted ? admission.mapped_ns : std::max(newest, admission.mapped_ns));
    return admission;
  }
  // An estimated clock that turns out to be earlier than was believed has put the samples so far
  // too late. They are forgotten: squeezed together they would show a motion that never was.
  const bool were_late =
      newest != kNever && 2 * (admission.mapped_ns - newest) < device_step_ns && !restarted;
  if (restarted || clock_broke || were_late) synchroniser_.clear(stream);
  note_newest(stream, admission.mapped_ns);
  return admission;
}

void Ingestion::note_newest(int stream, int64_t mapped_ns) {
  newest_ns_[stream].store(mapped_ns, std::memory_order_relaxed);
  for (int other = 0; other < kNumStreams; ++other)
    seen_ns_[stream][other].store(newest_ns(other), std::memory_order_relaxed);
}

// Two streams on one clock were close together at the newest sample of the one or of the other,
// unless one of them had stopped before the other began, which says nothing.
bool Ingestion::apart(int a, int b) const {
  const int64_t newest_a = newest_ns(a), newest_b = newest_ns(b);
  const int64_t b_at_a = seen_ns_[a][b].load(std::memory_order_relaxed);
  const int64_t a_at_b = seen_ns_[b][a].load(std::memory_order_relaxed);
  if (newest_a == kNever || newest_b == kNever || b_at_a == kNever || a_at_b == kNever)
    return false;
  return std::abs(newest_a - b_at_a) > kMaxClockGapNs &&
         std::abs(newest_b - a_at_b) > kMaxClockGapNs;
}

int Ingestion::reference_stream() const {
  int reference = kHead, most = 0;
  for (int stream = 0; stream < kNumStreams; ++stream) {
    if (newest_ns(stream) == kNever) continue;
    int agreeing = 0;
    for (int other = 0; other < kNumStreams; ++other)
      agreeing += newest_ns(other) != kNever && !apart(stream, other);
    if (agreeing > most) {
      most = agreeing;
      reference = stream;
    }
  }
  return reference;
}

std::array<bool, kNumStreams> Ingestion::off_clock(std::optional<int64_t> now_ns) const {
  const int reference = reference_stream();
  std::array<bool, kNumStreams> off{};
  for (int stream = 0; stream < kNumStreams; ++stream)
    off[static_cast<size_t>(stream)] =
        apart(stream, reference) || (now_ns && newest_ns(stream) - *now_ns > kMaxClockGapNs);
  return off;
}

PushStatus Ingestion::push_pose(int device, int64_t timestamp_ns, int64_t arrival_ns,
                                const PoseSample& sample, bool trusted) {
  const std::lock_guard lock(inside_);
  const Admission admission = admit_inside(device, timestamp_ns, arrival_ns, trusted);
  if (!admission.accepted()) return admission.verdict.status;
  return synchroniser_.push_pose(device, admission.mapped_ns,
                                 spaces_.into_world(admission.mapped_ns, sample));
}

PushStatus Ingestion::push_leg(int device, int64_t timestamp_ns, int64_t arrival_ns,
                               const LegSample& sample, bool trusted) {
  const std::lock_guard lock(inside_);
  const Admission admission = admit_inside(device, timestamp_ns, arrival_ns, trusted);
  if (!admission.accepted()) return admission.verdict.status;
  const LegSample read{sample.acceleration, normalised(sample.orientation)};
  return synchroniser_.push_leg(device, admission.mapped_ns,
                                leg_spaces_.into_world(admission.mapped_ns, read));
}

void Ingestion::reopen(int stream) {
  const std::lock_guard lock(inside_);
  reopen_inside(stream);
}

void Ingestion::clear_devices() {
  const std::lock_guard lock(inside_);
  synchroniser_.clear();
  for (int device = 0; device < kNumDevices; ++device) reopen_inside(device);
}

void Ingestion::reopen_inside(int stream) {
  gates_[stream].reopen();
  if (stream == kCameraStream)
    for (int view = 1; view < kNumViews; ++view) gates_[stream + view].reopen();
  clocks_[stream].restart();
  newest_ns_[stream].store(kNever, std::memory_order_relaxed);
  for (int other = 0; other < kNumStreams; ++other) {
    seen_ns_[stream][other].store(kNever, std::memory_order_relaxed);
    seen_ns_[other][stream].store(kNever, std::memory_order_relaxed);
  }
}

}  // namespace same
