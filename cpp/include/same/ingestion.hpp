// The way of live samples in: judges stamps, maps clocks, brings poses into the world, corrects leg
// sensors, fills the rings.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

#include "same/clock_mapping.hpp"
#include "same/reference_spaces.hpp"
#include "same/stream_gate.hpp"
#include "same/synchroniser.hpp"
#include "same/views.hpp"

namespace same {

// The worn devices' streams, then the cameras'.
constexpr int kCameraStream = kNumDevices;
constexpr int kNumStreams = kNumDevices + 1;
// Each stream has a gate, the cameras one a view: their images may come apart. A whole stereo frame
// passes the left one.
constexpr int kNumGates = kNumDevices + kNumViews;

// Streams on one clock are never this far apart while they both go on.
constexpr int64_t kMaxClockGapNs = 2'000'000'000;

constexpr int stream_of(int gate) { return gate < kCameraStream ? gate : kCameraStream; }

// What becomes of a stamp at its gate.
struct Admission {
  StreamGate::Verdict verdict;
  int64_t mapped_ns = 0;  // on the tracker's clock, also where the stamp is refused

  bool accepted() const { return verdict.status == PushStatus::ACCEPTED; }
};

// Any thread may call any method; one at a time is inside, for a fraction of a microsecond. What
// only reads counters does not wait. No allocation.
class Ingestion {
 public:
  explicit Ingestion(Synchroniser& synchroniser);

  // `trusted`: the stamp is corroborated by the caller, so it may lie far ahead of its stream.
  PushStatus push_pose(int device, int64_t timestamp_ns, int64_t arrival_ns,
                       const PoseSample& sample, bool trusted = false);
  PushStatus push_leg(int device, int64_t timestamp_ns, int64_t arrival_ns, const LegSample& sample,
                      bool trusted = false);
  // Judges a stamp at any gate and maps it, without storing a sample.
  Admission admit(int gate, int64_t timestamp_ns, int64_t arrival_ns, bool trusted = false);
  // What admit() would give; changes nothing.
  Admission consider(int gate, int64_t timestamp_ns, int64_t arrival_ns,
                     bool trusted = false) const;
  void count_invalid(int stream) { invalid_[stream].fetch_add(1, std::memory_order_relaxed); }

  // Where samples came already, the stream begins anew and true comes back.
  bool set_clock(int stream, const ClockMapping& clock);
  ClockMapping clock(int stream) const;
  // What puts leg sensors' orientations right: R_world_leg = R_world_sensor * mounting. One thread
  // at a time sets them.
  void set_leg_mountings(const LegMountings& mountings) {
    synchroniser_.set_leg_mountings(mountings);
  }
  Quaternion leg_mounting(int device) const {
    return synchroniser_.leg_mountings()[device - kNumPoseDevices];
  }
  // See ReferenceSpaces::change(); of samples that come from now on, `legs_too` of the leg sensors'
  // as well. False, and nothing has changed, before the last change.
  bool change_space(int64_t timestamp_ns, const PoseSample& origin, bool legs_too = false);
  // See ReferenceSpaces::restart().
  void restart_spaces();
  // Of head and controllers.
  ReferenceSpaces spaces() const;

  const StreamGate& gate(int gate) const { return gates_[gate]; }
  uint64_t invalid(int stream) const { return invalid_[stream].load(std::memory_order_relaxed); }
  // Newest accepted stamp on the tracker's clock; kNever before the first.
  int64_t newest_ns(int stream) const { return newest_ns_[stream].load(std::memory_order_relaxed); }
  static constexpr int64_t kNever = -1;

  // The stream that most others agree with in time; the head where several are equal.
  int reference_stream() const;
  // Which streams are stamped by another clock than the reference stream, or lie ahead of now on
  // the tracker's clock.
  std::array<bool, kNumStreams> off_clock(std::optional<int64_t> now_ns = {}) const;

  // The stream begins anew; counters and the clock's kind stay.
  void reopen(int stream);
  // All devices' samples are forgotten and their streams begin anew.
  void clear_devices();

 private:
  Admission admit_inside(int gate, int64_t timestamp_ns, int64_t arrival_ns, bool trusted);
  void reopen_inside(int stream);
  void restart_spaces_inside();
  bool witnessed(int stream, int64_t mapped_ns) const;
  bool apart(int a, int b) const;
  void note_newest(int stream, int64_t mapped_ns);
  Admission weigh(int gate, int64_t timestamp_ns, int64_t arrival_ns, bool trusted,
                  ClockMapping& clock) const;

  mutable std::mutex inside_;
  Synchroniser& synchroniser_;
  std::array<StreamGate, kNumGates> gates_;
  std::array<ClockMapping, kNumStreams> clocks_;
  ReferenceSpaces spaces_, leg_spaces_;
  std::array<std::atomic<uint64_t>, kNumStreams> invalid_{};
  std::array<std::atomic<int64_t>, kNumStreams> newest_ns_{};
  // [a][b]: b's newest time when a's newest sample came.
  std::array<std::array<std::atomic<int64_t>, kNumStreams>, kNumStreams> seen_ns_{};
};

}  // namespace same
