#include "same/ingestion.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "bindings.hpp"
#include "live_ingestion.hpp"
#include "readings.hpp"

namespace same::bindings {
namespace {

int checked_stream(int stream, int begin, int end) {
  if (stream < begin || stream >= end)
    throw py::value_error("stream: expected an index from " + std::to_string(begin) + " to " +
                          std::to_string(end - 1) + ", got " + std::to_string(stream));
  return stream;
}
int any_stream(int stream) { return checked_stream(stream, 0, kNumStreams); }
int leg_stream(int stream) { return checked_stream(stream, kNumPoseDevices, kNumDevices); }

// The cameras' gates count together: what was refused at either, what was accepted at one.
uint64_t total(const Ingestion& ingestion, int stream, PushStatus status) {
  const uint64_t first = ingestion.gate(stream).count(status);
  if (stream != kCameraStream) return first;
  const uint64_t second = ingestion.gate(stream + 1).count(status);
  return status == PushStatus::ACCEPTED ? std::max(first, second) : first + second;
}

uint64_t restarts(const Ingestion& ingestion, int stream) {
  const uint64_t first = ingestion.gate(stream).restarts();
  return stream != kCameraStream ? first : std::max(first, ingestion.gate(stream + 1).restarts());
}

double interval_ns(const Ingestion& ingestion, int stream) {
  const double first = ingestion.gate(stream).interval_ns();
  return stream == kCameraStream && first <= 0 ? ingestion.gate(stream + 1).interval_ns() : first;
}

// Counts what makes `read` throw against the stream.
template <typename Read>
auto counted(Ingestion& ingestion, int stream, Read&& read) {
  try {
    return read();
  } catch (...) {
    ingestion.count_invalid(stream);
    throw;
  }
}

}  // namespace

void bind_ingestion(py::module_& module) {
  module.def("steady_ns", &steady_ns,
             "Now on the clock that stands in for an arrival time that is not given, ns.");
  py::class_<LiveIngestion>(
      module, "Ingestion",
      "The way of live samples into a Synchroniser: judges stamps, maps device clocks to the\n"
      "tracker's, corrects leg sensors, counts. Streams are indexed as conventions.DEVICES, 5 is\n"
      "the cameras. Pushes return a PushStatus as an int, 0 being ACCEPTED; bad values raise\n"
      "ValueError and are counted as invalid. A stamp that is refused never blocks its stream:\n"
      "stamps that go on from it (2 ahead by over 5 s, 8 behind) take the stream over.")
      .def(py::init([](std::shared_ptr<Synchroniser> synchroniser) {
             return LiveIngestion::over(std::move(synchroniser));
           }),
           py::arg("synchroniser"))
      .def(
          "push_pose",
          [](LiveIngestion& self, int device, int64_t timestamp_ns, const py::object& position,
             const py::object& orientation, std::optional<int64_t> arrival_ns, bool trusted) {
            checked_stream(device, 0, kNumPoseDevices);
            const PoseSample sample = counted(self.ingestion, device, [&] {
              checked_timestamp(timestamp_ns);
              checked_arrival(arrival_ns);
              return PoseSample{read_bounded(position, "position", kMaxPositionM),
                                read_unit(orientation)};
            });
            return static_cast<int>(self.ingestion.push_pose(
                device, timestamp_ns, checked_arrival(arrival_ns), sample, trusted));
          },
          py::arg("device"), py::arg("timestamp_ns").noconvert(), py::arg("position"),
          py::arg("orientation_xyzw"), py::arg("arrival_ns") = py::none(),
          py::arg("trusted") = false,
          "position (3,) m and orientation (4,) of device 0..2, device to world. timestamp_ns: on\n"
          "the device's clock. arrival_ns: on the tracker's clock, None for now. trusted: the\n"
          "stamp may lie far ahead of its stream.")
      .def(
          "push_leg",
          [](LiveIngestion& self, int device, int64_t timestamp_ns, const py::object& orientation,
             const py::object& acceleration, std::optional<int64_t> arrival_ns, bool trusted) {
            leg_stream(device);
            const LegSample sample = counted(self.ingestion, device, [&] {
              checked_timestamp(timestamp_ns);
              checked_arrival(arrival_ns);
              return LegSample{read_bounded(acceleration, "acceleration", kMaxAcceleration),
                               read_unit(orientation)};
            });
            return static_cast<int>(self.ingestion.push_leg(
                device, timestamp_ns, checked_arrival(arrival_ns), sample, trusted));
          },
          py::arg("device"), py::arg("timestamp_ns").noconvert(), py::arg("orientation_xyzw"),
          py::arg("acceleration"), py::arg("arrival_ns") = py::none(), py::arg("trusted") = false,
          "orientation (4,) sensor to world and acceleration (3,) m/s^2, world frame, gravity\n"
          "removed, of device 3..4; otherwise as push_pose.")
      .def(
          "count_invalid",
          [](LiveIngestion& self, int stream) { self.ingestion.count_invalid(any_stream(stream)); },
          py::arg("stream"), "Count a sample that the caller found unusable.")
      .def(
          "set_clock_given",
          [](LiveIngestion& self, int stream, int64_t offset_ns, double drift_ppm) {
            if (!std::isfinite(drift_ppm)) throw py::value_error("drift_ppm: expected a number");
            self.ingestion.set_clock(any_stream(stream), ClockMapping::given(offset_ns, drift_ppm));
          },
          py::arg("stream"), py::arg("offset_ns"), py::arg("drift_ppm") = 0.0,
          "Tracker's time = device time + offset_ns + drift of the device time.")
      .def(
          "set_clock_estimated",
          [](LiveIngestion& self, int stream, int64_t min_latency_ns) {
            self.ingestion.set_clock(any_stream(stream), ClockMapping::estimated(min_latency_ns));
          },
          py::arg("stream"), py::arg("min_latency_ns") = 0,
          "Learn offset and drift from arrivals; min_latency_ns: the link's shortest latency.")
      .def(
          "clock",
          [](const LiveIngestion& self, int stream) {
            const ClockMapping& clock = self.ingestion.clock(any_stream(stream));
            const int64_t newest = self.ingestion.newest_ns(stream);
            const int64_t at = newest == Ingestion::kNever ? 0 : newest - clock.offset_at(newest);
            return std::make_pair(clock.offset_at(at), clock.drift_ppm());
          },
          py::arg("stream"),
          "(offset ns, drift ppm) that take the stream's newest stamp to the tracker's clock.")
      .def(
          "leg_mounting",
          [](const LiveIngestion& self, int device) {
            return to_numpy(self.ingestion.leg_mounting(leg_stream(device)));
          },
          py::arg("device"), "(4,) xyzw, leg to sensor, of device 3..4.")
      .def(
          "newest_ns",
          [](const LiveIngestion& self, int stream) -> std::optional<int64_t> {
            const int64_t newest = self.ingestion.newest_ns(any_stream(stream));
            return newest == Ingestion::kNever ? std::nullopt : std::optional(newest);
          },
          py::arg("stream"), "Newest accepted time on the tracker's clock, ns; None before.")
      .def(
          "counts",
          [](const LiveIngestion& self, int stream) {
            any_stream(stream);
            const auto count = [&](PushStatus status) {
              return total(self.ingestion, stream, status);
            };
            return std::make_tuple(count(PushStatus::ACCEPTED), count(PushStatus::DUPLICATE),
                                   count(PushStatus::BACKWARDS), count(PushStatus::TOO_CLOSE),
                                   count(PushStatus::JUMPED),
                                   self.ingestion.invalid(stream) + count(PushStatus::OUT_OF_RANGE),
                                   restarts(self.ingestion, stream));
          },
          py::arg("stream"),
          "(accepted, duplicate, backwards, too_close, jumped, invalid, restarts) so far.")
      .def(
          "off_clock",
          [](const LiveIngestion& self, std::optional<int64_t> now_ns) {
            if (now_ns) checked_timestamp(*now_ns);
            return std::tuple_cat(self.ingestion.off_clock(now_ns));
          },
          py::arg("now_ns") = py::none(),
          "For each stream whether another clock stamps it than the reference stream, or it lies\n"
          "over two seconds ahead of now_ns.")
      .def(
          "restarts",
          [](const LiveIngestion& self, int stream) {
            return restarts(self.ingestion, any_stream(stream));
          },
          py::arg("stream"), "Times a stream's time line began anew.")
      .def(
          "interval_ns",
          [](const LiveIngestion& self, int stream) {
            return interval_ns(self.ingestion, any_stream(stream));
          },
          py::arg("stream"),
          "Mean interval of the stream's last samples, ns; 0 before the second.");
}

}  // namespace same::bindings
