// What Python calls Ingestion: a tracker's, or one of its own, kept alive with the rings it fills.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "same/ingestion.hpp"
#include "same/steady_clock.hpp"

namespace same::bindings {

class LiveIngestion {
 public:
  explicit LiveIngestion(std::shared_ptr<Ingestion> shared)
      : shared_(std::move(shared)), ingestion(*shared_) {}

  static LiveIngestion over(std::shared_ptr<Synchroniser> synchroniser) {
    struct Owned {
      std::shared_ptr<Synchroniser> synchroniser;
      Ingestion ingestion;
    };
    Synchroniser& filled = *synchroniser;
    const std::shared_ptr<Owned> owned(new Owned{std::move(synchroniser), Ingestion(filled)});
    return LiveIngestion(std::shared_ptr<Ingestion>(owned, &owned->ingestion));
  }

 private:
  std::shared_ptr<Ingestion> shared_;

 public:
  Ingestion& ingestion;
};

// Now where there is none. Throws ValueError outside [0, 2**62).
inline int64_t checked_arrival(std::optional<int64_t> arrival_ns) {
  if (!arrival_ns) return steady_ns();
  if (*arrival_ns < 0 || *arrival_ns >= kMaxTimestampNs)
    throw py::value_error("arrival_ns: expected 0 <= nanoseconds < 2**62, got " +
                          std::to_string(*arrival_ns));
  return *arrival_ns;
}

}  // namespace same::bindings
