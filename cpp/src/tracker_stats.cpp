// One look at what a tracker counts.
#include <algorithm>

#include "same/tracker.hpp"

namespace same {

TrackerStats Tracker::stats() const {
  TrackerStats stats;
  const auto off = ingestion_.off_clock();
  for (int stream = 0; stream < kNumStreams; ++stream) {
    StreamStats& found = stats.streams[stream];
    found.newest_ns = ingestion_.newest_ns(stream);
    found.refused = ingestion_.invalid(stream);
    found.off_clock = off[stream];
    // The cameras' gates count together: what was refused at either, what was accepted at one.
    const int gates = stream == kCameraStream ? kNumViews : 1;
    for (int gate = stream; gate < stream + gates; ++gate) {
      const StreamGate& counts = ingestion_.gate(gate);
      found.accepted = std::max(found.accepted, counts.count(PushStatus::ACCEPTED));
      found.restarts = std::max(found.restarts, counts.restarts());
      for (size_t status = 1; status < kNumPushStatuses; ++status)
        found.refused += counts.count(static_cast<PushStatus>(status));
      if (counts.interval_ns() > 0)
        found.rate_hz = std::max(found.rate_hz, 1e9 / counts.interval_ns());
    }
  }
  stats.frames = inbox_.counts();
  stats.estimates = pipeline_.estimates().figures();
  stats.output = figures_.output.figures();
  stats.deadlines_missed = figures_.deadlines_missed.load();
  stats.frames_too_late = pipeline_.frames_too_late();
  stats.relocalisations = pipeline_.relocalisations();
  stats.engine_failures = pipeline_.engine_failures();
  stats.worker_errors = figures_.errors.load();
  return stats;
}

}  // namespace same
