#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "bindings.hpp"
#include "same/floor_anchor.hpp"
#include "same/frame_assembler.hpp"

namespace same::bindings {
namespace {

int checked_device(int device, int begin, int end) {
  if (device < begin || device >= end)
    throw py::value_error("device: expected an index from " + std::to_string(begin) + " to " +
                          std::to_string(end - 1) + ", got " + std::to_string(device));
  return device;
}
int pose_device(int device) { return checked_device(device, 0, kNumPoseDevices); }
int leg_device(int device) { return checked_device(device, kNumPoseDevices, kNumDevices); }
int any_device(int device) { return checked_device(device, 0, kNumDevices); }

void require_frame(const FrameAssembler& assembler) {
  if (assembler.frames() == 0) throw std::runtime_error("no frame has been assembled yet");
}

double checked_height(double ground_y) {
  if (!std::isfinite(ground_y)) throw py::value_error("ground_y: expected finite metres");
  return ground_y;
}

void bind_states(py::module_& module) {
  py::class_<DeviceStates>(
      module, "DeviceStates",
      "All devices at one instant, as Synchroniser.lookup found them. Devices are indexed as in\n"
      "same_runtime.conventions.DEVICES; the arrays are read-only float64 views, zeros (identity\n"
      "for orientations) where the device is MISSING. A wrong device index raises ValueError.")
      .def_readonly("timestamp_ns", &DeviceStates::timestamp_ns, "The instant, nanoseconds.")
      .def_readwrite("straps_measured", &DeviceStates::straps_measured,
                     "Whether the leg sensors read as if worn right; False as lookup gives them.")
      .def_property_readonly(
          "how", [](const DeviceStates& states) { return std::tuple_cat(states.how); },
          "How each of the five devices was found.")
      .def(
          "has",
          [](const DeviceStates& states, int device) { return states.has(any_device(device)); },
          py::arg("device"), "Whether device 0..4 was found.")
      .def_property_readonly(
          "orientations_xyzw",
          [](const DeviceStates& states) {
            py::array_t<double> all({kNumDevices, 4});
            for (int device = 0; device < kNumDevices; ++device) {
              const Quaternion& q = states.orientation(device);
              const bool there = states.has(device);
              double* out = all.mutable_data(device, 0);
              std::fill_n(out, 4, 0.0);
              if (there) std::copy_n(&q.x, 4, out);
            }
            return all;
          },
          "(5, 4) unit quaternions, each device to world; zeros where it is MISSING. A copy.")
      .def(
          "position",
          [](py::object self, int device) {
            const auto& states = self.cast<const DeviceStates&>();
            return read_only_view<double>({3}, states.poses[pose_device(device)].position.data(),
                                          self);
          },
          py::arg("device"), "(3,) m, world frame, of device 0..2.")
      .def(
          "orientation_xyzw",
          [](py::object self, int device) {
            const auto& states = self.cast<const DeviceStates&>();
            return read_only_view<double>({4}, &states.orientation(any_device(device)).x, self);
          },
          py::arg("device"), "(4,) unit quaternion, device to world, of device 0..4.")
      .def(
          "upwards",
          [](const DeviceStates& states, int device) {
            return upwards(states.orientation(any_device(device)));
          },
          py::arg("device"), "How far the y axis of device 0..4 points up, -1..1.")
      .def(
          "T_world_device",
          [](const DeviceStates& states, int device) {
            const PoseSample& pose = states.poses[pose_device(device)];
            return to_numpy(RigidTransform{to_matrix(pose.orientation), pose.position});
          },
          py::arg("device"), "(4, 4) float64, device 0..2 to world, m.")
      .def(
          "acceleration",
          [](py::object self, int device) {
            const auto& states = self.cast<const DeviceStates&>();
            return read_only_view<double>(
                {3}, states.legs[leg_device(device) - kNumPoseDevices].acceleration.data(), self);
          },
          py::arg("device"), "(3,) m/s^2, world frame, gravity removed, of device 3..4.");
}

void bind_synchroniser(py::module_& module) {
  py::class_<Synchroniser, std::shared_ptr<Synchroniser>>(
      module, "Synchroniser",
      "The worn devices' sample rings and their common state at any instant. Devices are indexed\n"
      "as in same_runtime.conventions.DEVICES. One producer thread per device, one consumer.\n"
      "A wrong device index raises ValueError.")
      .def(
          py::init([](size_t capacity, int64_t max_gap_ns, int64_t max_extrapolation_ns,
                      bool bridge_jumps) {
            return std::make_shared<Synchroniser>(
                capacity, LookupLimits{max_gap_ns, max_extrapolation_ns, bridge_jumps});
          }),
          py::arg("capacity") = 256, py::arg("max_gap_ns") = 100'000'000,
          py::arg("max_extrapolation_ns") = 50'000'000, py::arg("bridge_jumps") = true,
          "capacity: samples per device, at least 2; the limits are those of PoseRing.at. Without\n"
          "bridge_jumps a pose is held where no head or hand can move from it to the next one.\n"
          "Raises ValueError for other values.")
      .def(
          "push_pose",
          [](Synchroniser& self, int device, int64_t timestamp_ns, const DoubleArray& position,
             const DoubleArray& orientation) {
            return self.push_pose(
                pose_device(device), checked_timestamp(timestamp_ns),
                {to_vec3(position, "position"), to_quaternion(orientation, "orientation_xyzw")});
          },
          py::arg("device"), py::arg("timestamp_ns").noconvert(), py::arg("position"),
          py::arg("orientation_xyzw"), "As PoseRing.push, for device 0..2.")
      .def(
          "push_leg",
          [](Synchroniser& self, int device, int64_t timestamp_ns, const DoubleArray& orientation,
             const DoubleArray& acceleration) {
            const Quaternion q = to_quaternion(orientation, "orientation_xyzw");
            return self.push_leg(leg_device(device), checked_timestamp(timestamp_ns),
                                 {to_vec3(acceleration, "acceleration"), q});
          },
          py::arg("device"), py::arg("timestamp_ns").noconvert(), py::arg("orientation_xyzw"),
          py::arg("acceleration"), "As LegRing.push, for device 3..4.")
      .def(
          "lookup",
          [](const Synchroniser& self, int64_t timestamp_ns) {
            return self.look_up(checked_timestamp(timestamp_ns));
          },
          py::arg("timestamp_ns").noconvert(),
          "The state of every device at a time, by the rules of PoseRing.at.")
      .def(
          "newest_ns",
          [](const Synchroniser& self, int device) { return self.newest_ns(any_device(device)); },
          py::arg("device"), "A device's newest timestamp, nanoseconds; None without samples.")
      .def(
          "accepted",
          [](const Synchroniser& self, int device) { return self.accepted(any_device(device)); },
          py::arg("device"), "A device's samples accepted since construction.")
      .def(
          "refused",
          [](const Synchroniser& self, int device) { return self.refused(any_device(device)); },
          py::arg("device"), "A device's samples refused since construction.")
      .def("clear", py::overload_cast<>(&Synchroniser::clear),
           "Forget all samples and last timestamps; the counters stay.");
}

void bind_assembler(py::module_& module) {
  py::class_<FrameAssembler>(
      module, "FrameAssembler",
      "Turns device states into network inputs, frame after frame. It remembers the previous\n"
      "frame's devices (for velocities) and the window's camera poses, in float64.")
      .def(py::init([](const DoubleArray& T_head_cam_left, double ground_y, size_t window,
                       bool relocalises) {
             return std::make_unique<FrameAssembler>(
                 to_rigid_transform(T_head_cam_left, "T_head_cam_left"), checked_height(ground_y),
                 window, relocalises);
           }),
           py::arg("T_head_cam_left"), py::arg("ground_y") = 0.0, py::arg("window") = 32,
           py::arg("relocalises") = false,
           "T_head_cam_left: (4, 4) rigid, left camera (OpenCV axes) to head (OpenXR axes), m.\n"
           "ground_y: height of the floor in the world, m. window: frames, at least 1. "
           "relocalises: a head that moves as\n"
           "no head can moves all earlier frames along, so that the body keeps its shape.\n"
           "Raises ValueError for other values.")
      .def(
          "assemble",
          [](FrameAssembler& self, int64_t timestamp_ns, const DeviceStates& states,
             py::array& imu_features, py::array& T_anchor_cam, py::array& time_offset_s,
             py::array& window_valid) {
            const auto T = static_cast<ssize_t>(self.window());
            const AssembledFrame out{
                writable_float32(imu_features, "imu_features", {kNumDevices, kFeatureDim}),
                writable_float32(T_anchor_cam, "T_anchor_cam", {T, 4, 4}),
                writable_float32(time_offset_s, "time_offset_s", {T}),
                writable_float32(window_valid, "window_valid", {T})};
            return self.assemble(checked_timestamp(timestamp_ns), states, out);
          },
          py::arg("timestamp_ns").noconvert(), py::arg("states"), py::arg("imu_features"),
          py::arg("T_anchor_cam"), py::arg("time_offset_s"), py::arg("window_valid"),
          "Take one frame and write, in place, float32: imu_features (5, 16) as\n"
          "same_runtime.conventions.FEATURE_DIM lays out; T_anchor_cam (window, 4, 4), left\n"
          "camera of each frame to the newest frame's anchor, m; time_offset_s (window,), at\n"
          "most 0; window_valid (window,). Rows run from the oldest to the newest; rows without\n"
          "a frame hold the identity, 0 and 0. Returns False, with nothing changed or written,\n"
          "when the head is MISSING or the time is not after the last one. Raises ValueError\n"
          "for any other array.")
      .def(
          "joints_to_world",
          [](const FrameAssembler& self, const FloatArray& joints_anchor) {
            require_frame(self);
            if (joints_anchor.ndim() != 2 || joints_anchor.shape(1) != 3)
              throw py::value_error("joints_anchor: expected shape (J, 3)");
            py::array_t<double> joints_world({joints_anchor.shape(0), ssize_t{3}});
            for (ssize_t i = 0; i < joints_anchor.shape(0); ++i) {
              const float* joint = joints_anchor.data(i, 0);
              const Vec3 moved = self.T_world_anchor() * Vec3{joint[0], joint[1], joint[2]};
              for (ssize_t axis = 0; axis < 3; ++axis)
                *joints_world.mutable_data(i, axis) = moved[static_cast<size_t>(axis)];
            }
            return joints_world;
          },
          py::arg("joints_anchor"),
          "Move (J, 3) joints, m, from the newest anchor frame to the world, float64.\n"
          "Raises RuntimeError before the first frame.")
      .def_property_readonly(
          "T_world_cam_left",
          [](const FrameAssembler& self) {
            require_frame(self);
            return to_numpy(self.T_world_cam_left());
          },
          "(4, 4) float64 copy, newest frame. Raises RuntimeError before the first frame.")
      .def_property_readonly(
          "T_world_anchor",
          [](const FrameAssembler& self) {
            require_frame(self);
            return to_numpy(self.T_world_anchor());
          },
          "(4, 4) float64 copy, newest frame. Raises RuntimeError before the first frame.")
      .def_property_readonly("frames", &FrameAssembler::frames,
                             "Frames assembled since construction or reset.")
      .def_property_readonly("window", &FrameAssembler::window, "Frames in the window.")
      .def_property(
          "ground_y", &FrameAssembler::ground_y,
          [](FrameAssembler& self, double ground_y) {
            self.set_ground_y(checked_height(ground_y));
          },
          "Height of the floor in the world, m; a new value counts from the next frame on.")
      .def(
          "copy_from",
          [](FrameAssembler& self, const FrameAssembler& other) {
            if (self.window() != other.window())
              throw py::value_error("other: expected a window of " + std::to_string(self.window()));
            self = other;
          },
          py::arg("other"), "Take over another assembler's whole state; windows must agree.")
      .def_property_readonly("relocalisations", &FrameAssembler::relocalisations,
                             "Times the head moved as no head can and the window was moved along.")
      .def("reset", &FrameAssembler::reset, "Forget all frames.");
}

}  // namespace

void bind_assembly(py::module_& module) {
  bind_states(module);
  bind_synchroniser(module);
  bind_assembler(module);
  module.def(
      "floor_anchor",
      [](const DoubleArray& position, const DoubleArray& orientation, double ground_y) {
        return to_numpy(floor_anchor(
            {to_vec3(position, "position"), to_quaternion(orientation, "orientation_xyzw")},
            checked_height(ground_y)));
      },
      py::arg("position"), py::arg("orientation_xyzw"), py::arg("ground_y") = 0.0,
      "T_world_anchor (4, 4) float64 of a head pose: origin on the floor under the head, axes\n"
      "turned about y by the head's yaw, so that it looks along -z. Yaw is that of the forward\n"
      "axis; from 15 to 5 degrees of the vertical the up axis takes over gradually.\n"
      "position (3,) m, orientation_xyzw (4,) head to world. Raises ValueError for bad values.");
}

}  // namespace same::bindings
