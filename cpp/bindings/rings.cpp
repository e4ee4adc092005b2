#include <pybind11/native_enum.h>

#include <memory>
#include <optional>
#include <tuple>

#include "bindings.hpp"
#include "gray_images.hpp"
#include "same/sample_lookup.hpp"
#include "same/views.hpp"

namespace same::bindings {
namespace {

using PoseRing = SampleRing<PoseSample>;
using LegRing = SampleRing<LegSample>;
using VectorLookup = std::tuple<LookupKind, py::array_t<double>, py::array_t<double>>;

LookupLimits checked_limits(int64_t max_gap_ns, int64_t max_extrapolation_ns) {
  if (max_gap_ns < 0 || max_extrapolation_ns < 0)
    throw py::value_error("max_gap_ns, max_extrapolation_ns: expected nanoseconds >= 0");
  return {max_gap_ns, max_extrapolation_ns};
}

template <typename Ring>
void bind_ring_state(py::class_<Ring>& ring) {
  ring.def_property_readonly("newest_ns", &Ring::newest_ns,
                             "Newest timestamp, nanoseconds; None when empty.")
      .def_property_readonly("oldest_ns", &Ring::oldest_ns,
                             "Oldest timestamp still held, nanoseconds; None when empty.")
      .def_property_readonly("capacity", &Ring::capacity, "Most samples held at once.")
      .def_property_readonly("accepted", &Ring::accepted, "Samples accepted since construction.")
      .def_property_readonly("refused", &Ring::refused, "Samples refused since construction.")
      .def("__len__", &Ring::size)
      .def("clear", &Ring::clear,
           "Forget all samples and the last timestamp; the counters stay. Producer's side.");
}

constexpr const char* kLookupDoc =
    "Between two samples at most max_gap_ns apart: linear and shortest-arc spherical\n"
    "interpolation, else MISSING. Up to max_extrapolation_ns past the newest: constant velocity\n"
    "from the last two samples, held when they are farther apart than max_gap_ns, and at most\n"
    "16 times their motion; an acceleration is always held. Before the oldest: MISSING. MISSING\n"
    "comes with zeros and the identity. Raises ValueError for negative arguments.";

}  // namespace

void bind_rings(py::module_& module) {
  py::native_enum<LookupKind>(module, "LookupKind", "enum.IntEnum",
                              "How a device's state at a time was obtained, ordered by trust.")
      .value("MISSING", LookupKind::MISSING)
      .value("EXTRAPOLATED", LookupKind::EXTRAPOLATED)
      .value("INTERPOLATED", LookupKind::INTERPOLATED)
      .value("EXACT", LookupKind::EXACT)
      .finalize();
  py::native_enum<PushStatus>(
      module, "PushStatus", "enum.IntEnum",
      "What became of a sample. DUPLICATE and BACKWARDS judge its timestamp,\n"
      "FULL means that views of every image slot are held; live streams also\n"
      "refuse stamps TOO_CLOSE to be nanoseconds, JUMPED far ahead, or\n"
      "OUT_OF_RANGE on the tracker's clock.")
      .value("ACCEPTED", PushStatus::ACCEPTED)
      .value("DUPLICATE", PushStatus::DUPLICATE)
      .value("BACKWARDS", PushStatus::BACKWARDS)
      .value("FULL", PushStatus::FULL)
      .value("TOO_CLOSE", PushStatus::TOO_CLOSE)
      .value("JUMPED", PushStatus::JUMPED)
      .value("OUT_OF_RANGE", PushStatus::OUT_OF_RANGE)
      .finalize();

  py::class_<PoseRing> pose_ring(module, "PoseRing",
                                 "History of one device's 6DOF poses for one producer and one\n"
                                 "consumer thread; the newest sample replaces the oldest.");
  pose_ring
      .def(py::init<size_t>(), py::arg("capacity"),
           "capacity: samples held, at least 2 (else ValueError).")
      .def(
          "push",
          [](PoseRing& ring, int64_t timestamp_ns, const DoubleArray& position,
             const DoubleArray& orientation) {
            return ring.push(
                checked_timestamp(timestamp_ns),
                {to_vec3(position, "position"), to_quaternion(orientation, "orientation_xyzw")});
          },
          py::arg("timestamp_ns").noconvert(), py::arg("position"), py::arg("orientation_xyzw"),
          "Add a pose: position (3,) m, orientation (4,) unit quaternion, device to world.\n"
          "A refused sample leaves the ring as it was. Raises ValueError for bad values.")
      .def(
          "at",
          [](const PoseRing& ring, int64_t timestamp_ns, int64_t max_gap_ns,
             int64_t max_extrapolation_ns) -> VectorLookup {
            const auto found = look_up(ring, checked_timestamp(timestamp_ns),
                                       checked_limits(max_gap_ns, max_extrapolation_ns));
            return {found.how, to_numpy(found.payload.position),
                    to_numpy(found.payload.orientation)};
          },
          py::arg("timestamp_ns").noconvert(), py::arg("max_gap_ns"),
          py::arg("max_extrapolation_ns"),
          (std::string("(LookupKind, position (3,) m, orientation_xyzw (4,)) at a time, float64, "
                       "world.\n") +
           kLookupDoc)
              .c_str());
  bind_ring_state(pose_ring);

  py::class_<LegRing> leg_ring(module, "LegRing",
                               "History of one leg IMU's 3DOF readings; otherwise as PoseRing.");
  leg_ring
      .def(py::init<size_t>(), py::arg("capacity"),
           "capacity: samples held, at least 2 (else ValueError).")
      .def(
          "push",
          [](LegRing& ring, int64_t timestamp_ns, const DoubleArray& orientation,
             const DoubleArray& acceleration) {
            const Quaternion q = to_quaternion(orientation, "orientation_xyzw");
            return ring.push(checked_timestamp(timestamp_ns),
                             {to_vec3(acceleration, "acceleration"), q});
          },
          py::arg("timestamp_ns").noconvert(), py::arg("orientation_xyzw"), py::arg("acceleration"),
          "Add a reading: orientation (4,) unit quaternion, sensor to world; acceleration (3,)\n"
          "m/s^2, world frame, gravity removed. A refused sample leaves the ring as it was.\n"
          "Raises ValueError for bad values.")
      .def(
          "at",
          [](const LegRing& ring, int64_t timestamp_ns, int64_t max_gap_ns,
             int64_t max_extrapolation_ns) -> VectorLookup {
            const auto found = look_up(ring, checked_timestamp(timestamp_ns),
                                       checked_limits(max_gap_ns, max_extrapolation_ns));
            return {found.how, to_numpy(found.payload.orientation),
                    to_numpy(found.payload.acceleration)};
          },
          py::arg("timestamp_ns").noconvert(), py::arg("max_gap_ns"),
          py::arg("max_extrapolation_ns"),
          (std::string(
               "(LookupKind, orientation_xyzw (4,), acceleration (3,) m/s^2) at a time, float64,\n"
               "world.\n") +
           kLookupDoc)
              .c_str());
  bind_ring_state(leg_ring);

  py::class_<ImageRing, std::shared_ptr<ImageRing>>(
      module, "ImageRing",
      "Stereo frames in preallocated memory for one producer and one consumer thread. The\n"
      "newest frame wins; a frame whose views are held is never overwritten.")
      .def(py::init<size_t, int, int>(), py::arg("capacity"), py::arg("height"), py::arg("width"),
           "capacity: frames, at least 2 and one more than the consumer holds at once;\n"
           "height, width: pixels of each image. Raises ValueError for smaller values.")
      .def(
          "push",
          [](ImageRing& ring, int64_t timestamp_ns, std::optional<py::array> left,
             std::optional<py::array> right) {
            checked_timestamp(timestamp_ns);
            const GrayImage left_image = to_gray(left, "left", ring.height(), ring.width());
            const GrayImage right_image = to_gray(right, "right", ring.height(), ring.width());
            py::gil_scoped_release unlocked;
            return ring.push(timestamp_ns, left_image, right_image);
          },
          py::arg("timestamp_ns").noconvert(), py::arg("left").none(true),
          py::arg("right").none(true),
          "Copy in a frame: (height, width) uint8 gray images with any row stride; None for a\n"
          "camera that gave none. Raises ValueError for other arrays.")
      .def(
          "newest",
          [](const std::shared_ptr<ImageRing>& ring)
              -> std::optional<std::tuple<int64_t, MaybeImage, MaybeImage>> {
            const ImageLease lease = ImageLease::newest(ring);
            if (!lease) return std::nullopt;
            return std::make_tuple(ring->timestamp_ns(lease.slot()), view_of(lease, kLeftView),
                                   view_of(lease, kRightView));
          },
          "(timestamp_ns, left, right) of the newest frame without a copy, or None when there is\n"
          "none. The (height, width) uint8 views are read-only and hold the frame and the ring.")
      .def_property_readonly("capacity", &ImageRing::capacity, "Frames of preallocated memory.")
      .def_property_readonly("accepted", &ImageRing::accepted,
                             "Frames accepted since construction.")
      .def_property_readonly("refused", &ImageRing::refused, "Frames refused since construction.")
      .def_property_readonly("dropped", &ImageRing::dropped,
                             "Accepted frames that a newer one replaced before they were read.")
      .def("clear", &ImageRing::clear,
           "Forget the newest frame and the last timestamp; held views and counters stay.\n"
           "Producer's side.");
}

}  // namespace same::bindings
