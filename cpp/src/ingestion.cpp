#include "same/ingestion.hpp"

#include <algorithm>
#include <cmath>

namespace same {

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
      trusted || (!clock.estimates() &&
                  witnessed(stream_of(gate), timestamp_ns + clock.offset_at(timestamp_ns)));
  Admission admission{gates_[gate].weigh(timestamp_ns, believed)};
  if (!admission.accepted()) {
    admission.mapped_ns = timestamp_ns + clock.offset_at(timestamp_ns);
    return admission;
  }
  if (admission.verdict.restarted) clock.restart();
  admission.mapped_ns = clock.map(timestamp_ns, arrival_ns);
  return admission;
}

Admission Ingestion::consider(int gate, int64_t timestamp_ns, int64_t arrival_ns,
                              bool trusted) const {
  ClockMapping clock = clocks_[stream_of(gate)];
  return weigh(gate, timestamp_ns, arrival_ns, trusted, clock);
}

Admission Ingestion::admit(int gate, int64_t timestamp_ns, int64_t arrival_ns, bool trusted) {
  const int stream = stream_of(gate);
  Admission admission = weigh(gate, timestamp_ns, arrival_ns, trusted, clocks_[stream]);
  gates_[gate].record(timestamp_ns, admission.verdict);
  if (!admission.accepted()) return admission;
  if (admission.verdict.restarted) {
    if (stream < kNumDevices) synchroniser_.clear(stream);
    newest_ns_[stream].store(kNever, std::memory_order_relaxed);
  }
  const int64_t newest = newest_ns(stream);
  if (stream < kNumDevices && newest != kNever && admission.mapped_ns <= newest)
    admission.mapped_ns = newest + kMinSpacingNs;
  newest_ns_[stream].store(std::max(newest, admission.mapped_ns), std::memory_order_relaxed);
  return admission;
}

PushStatus Ingestion::push_pose(int device, int64_t timestamp_ns, int64_t arrival_ns,
                                const PoseSample& sample, bool trusted) {
  const Admission admission = admit(device, timestamp_ns, arrival_ns, trusted);
  return admission.accepted() ? synchroniser_.push_pose(device, admission.mapped_ns, sample)
                              : admission.verdict.status;
}

PushStatus Ingestion::push_leg(int device, int64_t timestamp_ns, int64_t arrival_ns,
                               const LegSample& sample, bool trusted) {
  const Admission admission = admit(device, timestamp_ns, arrival_ns, trusted);
  if (!admission.accepted()) return admission.verdict.status;
  const auto& [correction, turn] = corrections_[device - kNumPoseDevices];
  return synchroniser_.push_leg(device, admission.mapped_ns,
                                {to_matrix(turn) * sample.acceleration,
                                 normalised(turn * sample.orientation * correction.mounting)});
}

void Ingestion::reopen(int stream) {
  gates_[stream].reopen();
  if (stream == kCameraStream)
    for (int view = 1; view < kNumViews; ++view) gates_[stream + view].reopen();
  clocks_[stream].restart();
  newest_ns_[stream].store(kNever, std::memory_order_relaxed);
}

}  // namespace same
