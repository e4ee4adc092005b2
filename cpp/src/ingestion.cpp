#include "same/ingestion.hpp"

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

PushStatus Ingestion::admit(int stream, int64_t& timestamp_ns, int64_t arrival_ns, bool trusted) {
  ClockMapping& clock = clocks_[stream];
  // The device's own stamps are judged: a mapping that learns may move, they may not.
  const bool believed =
      trusted ||
      (!clock.estimates() && witnessed(stream, timestamp_ns + clock.offset_at(timestamp_ns)));
  const StreamGate::Verdict verdict = gates_[stream].judge(timestamp_ns, believed);
  if (verdict.status != PushStatus::ACCEPTED) return verdict.status;
  if (verdict.restarted) {
    clock.restart();
    if (stream < kNumDevices) synchroniser_.clear(stream);
    newest_ns_[stream].store(kNever, std::memory_order_relaxed);
  }
  int64_t mapped_ns = clock.map(timestamp_ns, arrival_ns);
  const int64_t newest = newest_ns(stream);
  if (newest != kNever && mapped_ns <= newest) mapped_ns = newest + kMinSpacingNs;
  newest_ns_[stream].store(mapped_ns, std::memory_order_relaxed);
  timestamp_ns = mapped_ns;
  return PushStatus::ACCEPTED;
}

PushStatus Ingestion::push_pose(int device, int64_t timestamp_ns, int64_t arrival_ns,
                                const PoseSample& sample, bool trusted) {
  const PushStatus status = admit(device, timestamp_ns, arrival_ns, trusted);
  return status == PushStatus::ACCEPTED ? synchroniser_.push_pose(device, timestamp_ns, sample)
                                        : status;
}

PushStatus Ingestion::push_leg(int device, int64_t timestamp_ns, int64_t arrival_ns,
                               const LegSample& sample, bool trusted) {
  const PushStatus status = admit(device, timestamp_ns, arrival_ns, trusted);
  if (status != PushStatus::ACCEPTED) return status;
  const auto& [correction, turn] = corrections_[device - kNumPoseDevices];
  return synchroniser_.push_leg(device, timestamp_ns,
                                {to_matrix(turn) * sample.acceleration,
                                 normalised(turn * sample.orientation * correction.mounting)});
}

void Ingestion::reopen(int stream) {
  gates_[stream].reopen();
  clocks_[stream].restart();
  newest_ns_[stream].store(kNever, std::memory_order_relaxed);
}

}  // namespace same
