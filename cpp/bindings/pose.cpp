#include "same/pose.hpp"

#include <pybind11/native_enum.h>

#include <vector>

#include "bindings.hpp"
#include "body_arrays.hpp"
#include "same/openxr_body.hpp"
#include "same/user_frame.hpp"

namespace same::bindings {
namespace {

// All zeros where no head is known.
RigidTransform to_transform(const DoubleArray& array, const char* name) {
  check_shape(array, name, {4, 4});
  const double* m = array.data();
  return {{m[0], m[1], m[2], m[4], m[5], m[6], m[8], m[9], m[10]}, {m[3], m[7], m[11]}};
}

py::array_t<double> to_numpy_or_zeros(const RigidTransform& T) {
  py::array_t<double> matrix = to_numpy(T);
  if (T.rotation == Mat3{} && T.translation == Vec3{}) *matrix.mutable_data(3, 3) = 0.0;
  return read_only(matrix);
}

void bind_enums(py::module_& module) {
  py::native_enum<PoseStatus>(module, "PoseStatus", "enum.IntEnum",
                              "What same_runtime.PoseStatus says, in its order.")
      .value("INVALID", PoseStatus::INVALID)
      .value("LIMITED", PoseStatus::LIMITED)
      .value("VALID", PoseStatus::VALID)
      .finalize();
  py::native_enum<Reason>(module, "Reason", "enum.IntEnum",
                          "What same_runtime.Reason says, in its order.")
      .value("HEAD_LOST", Reason::HEAD_LOST)
      .value("RELOCALISED", Reason::RELOCALISED)
      .value("OVERLOADED", Reason::OVERLOADED)
      .value("WARMING_UP", Reason::WARMING_UP)
      .value("NO_IMAGES", Reason::NO_IMAGES)
      .value("CAMERA_LOST", Reason::CAMERA_LOST)
      .value("CONTROLLER_LOST", Reason::CONTROLLER_LOST)
      .value("LEG_TRACKER_LOST", Reason::LEG_TRACKER_LOST)
      .value("STALE", Reason::STALE)
      .value("OTHER_CLOCK", Reason::OTHER_CLOCK)
      .value("VIEW_SKEW", Reason::VIEW_SKEW)
      .value("CAMERAS_COVERED", Reason::CAMERAS_COVERED)
      .value("CAMERAS_SATURATED", Reason::CAMERAS_SATURATED)
      .value("NOT_WORN", Reason::NOT_WORN)
      .value("IMPLAUSIBLE_HEAD", Reason::IMPLAUSIBLE_HEAD)
      .value("IMPLAUSIBLE_CONTROLLER", Reason::IMPLAUSIBLE_CONTROLLER)
      .value("IMPLAUSIBLE_LEG", Reason::IMPLAUSIBLE_LEG)
      .value("MOUNT_CHANGED", Reason::MOUNT_CHANGED)
      .value("IMPLAUSIBLE_POSE", Reason::IMPLAUSIBLE_POSE)
      .finalize();
  module.def("makes_invalid", &makes_invalid, py::arg("reason"),
             "Whether poses with this reason are INVALID, not LIMITED.");
}

void bind_skeleton_result(py::module_& module) {
  py::class_<Skeleton>(module, "Skeleton",
                       "One solved body; its arrays are read-only views, float64.")
      .def(py::init([](const DoubleArray& joints, const DoubleArray& rotations_world,
                       const DoubleArray& rotations_local, const DoubleArray& velocities,
                       const DoubleArray& turn_rates, const DoubleArray& foot_contacts,
                       const DoubleArray& offsets, int changed_count) {
             check_shape(foot_contacts, "foot_contacts", {2});
             return Skeleton{{to_joints(joints, "joints"),
                              to_rows<Quaternion>(rotations_world, "rotations_world"),
                              to_rows<Quaternion>(rotations_local, "rotations_local"),
                              to_joints(velocities, "velocities"),
                              to_joints(turn_rates, "turn_rates"),
                              {*foot_contacts.data(0), *foot_contacts.data(1)}},
                             to_joints(offsets, "offsets"),
                             changed_count};
           }),
           py::arg("joints"), py::arg("rotations_world"), py::arg("rotations_local"),
           py::arg("velocities"), py::arg("turn_rates"), py::arg("foot_contacts"),
           py::arg("offsets"), py::arg("changed_count"),
           "As the properties say. Raises ValueError for other shapes.")
      .def_property_readonly(
          "joints",
          [](py::object self) { return rows_view(self.cast<Skeleton&>().solved.joints, self); },
          "(22, 3) m, world.")
      .def_property_readonly(
          "rotations_world",
          [](py::object self) { return rows_view(self.cast<Skeleton&>().solved.rotations, self); },
          "(22, 4) xyzw, T-pose to world.")
      .def_property_readonly(
          "rotations_local",
          [](py::object self) { return rows_view(self.cast<Skeleton&>().solved.local, self); },
          "(22, 4) xyzw, joint to its parent; the pelvis's is to the world.")
      .def_property_readonly(
          "velocities",
          [](py::object self) { return rows_view(self.cast<Skeleton&>().solved.velocities, self); },
          "(22, 3) m/s, world.")
      .def_property_readonly(
          "turn_rates",
          [](py::object self) { return rows_view(self.cast<Skeleton&>().solved.turn_rates, self); },
          "(22, 3) rad/s about the world's axes.")
      .def_property_readonly(
          "foot_contacts",
          [](py::object self) {
            return read_only_view<double>({2}, self.cast<Skeleton&>().solved.foot_contacts.data(),
                                          self);
          },
          "(2,) 0..1, how sure it is that the left and right toes stand on the floor.")
      .def_property_readonly(
          "offsets",
          [](py::object self) { return rows_view(self.cast<Skeleton&>().offsets, self); },
          "(22, 3) m, from each joint's parent in the T-pose.")
      .def_readonly("changed_count", &Skeleton::changed_count, "How often offsets changed.")
      .def(
          "moved",
          [](Skeleton skeleton, const DoubleArray& turn, const DoubleArray& translation) {
            move(skeleton, to_quaternion(turn, "turn_xyzw"), to_vec3(translation, "translation"));
            return skeleton;
          },
          py::arg("turn_xyzw"), py::arg("translation"),
          "The same body in another frame: turned by (4,), then moved by (3,) m.");
}

Pose make_pose(int64_t timestamp_ns, PoseStatus status, const std::vector<Reason>& reasons,
               const DoubleArray& joints_world, const DoubleArray& joints_cam_left,
               const FloatArray& joint_confidence, const DoubleArray& T_world_cam_left,
               const DoubleArray& device_orientations_world, int64_t latency_ns,
               const std::optional<Skeleton>& skeleton) {
  Pose pose;
  pose.timestamp_ns = timestamp_ns;
  pose.status = status;
  for (const Reason reason : reasons) pose.reasons.add(reason);
  pose.joints_world = to_joints(joints_world, "joints_world");
  pose.joints_cam_left = to_joints(joints_cam_left, "joints_cam_left");
  check_shape(joint_confidence, "joint_confidence", {kNumJoints});
  std::copy_n(joint_confidence.data(), kNumJoints, pose.joint_confidence.begin());
  pose.T_world_cam_left = to_transform(T_world_cam_left, "T_world_cam_left");
  pose.device_orientations =
      to_orientations(device_orientations_world, "device_orientations_world");
  pose.latency_ns = latency_ns;
  pose.skeleton = skeleton;
  return pose;
}

void bind_pose_result(py::module_& module) {
  py::class_<Pose>(module, "Pose",
                   "What same_runtime.Pose says; its arrays are read-only, float64 but for\n"
                   "joint_confidence.")
      .def(py::init(&make_pose), py::arg("timestamp_ns"), py::arg("status"), py::arg("reasons"),
           py::arg("joints_world"), py::arg("joints_cam_left"), py::arg("joint_confidence"),
           py::arg("T_world_cam_left"), py::arg("device_orientations_world"), py::arg("latency_ns"),
           py::arg("skeleton").none(true),
           "As the properties say. Raises ValueError for other shapes.")
      .def_readonly("timestamp_ns", &Pose::timestamp_ns, "Time of the pose, nanoseconds.")
      .def_readonly("status", &Pose::status, "How far the pose can be trusted.")
      .def_property_readonly(
          "reasons", [](const Pose& pose) { return to_tuple(pose.reasons); },
          "Why it is not VALID.")
      .def_property_readonly(
          "joints_world",
          [](py::object self) { return rows_view(self.cast<Pose&>().joints_world, self); },
          "(22, 3) m, world.")
      .def_property_readonly(
          "joints_cam_left",
          [](py::object self) { return rows_view(self.cast<Pose&>().joints_cam_left, self); },
          "(22, 3) m, left camera.")
      .def_property_readonly(
          "joint_confidence",
          [](py::object self) {
            return read_only_view<float>({kNumJoints}, self.cast<Pose&>().joint_confidence.data(),
                                         self);
          },
          "(22,) float32, 0..1.")
      .def_property_readonly(
          "T_world_cam_left",
          [](const Pose& pose) { return to_numpy_or_zeros(pose.T_world_cam_left); },
          "(4, 4) left camera to world, m; zeros before a head was known.")
      .def_property_readonly(
          "device_orientations_world",
          [](const Pose& pose) { return to_numpy(pose.device_orientations); },
          "(5, 4) xyzw, each device to world; zeros where it is missing.")
      .def_readonly("latency_ns", &Pose::latency_ns, "What it took, nanoseconds.")
      .def_readonly("frame_changes", &Pose::frame_changes,
                    "How often the frame that poses come out in had become another one.")
      .def_readonly("skeleton", &Pose::skeleton, "The solved body; None without.");
}

void bind_openxr_body(py::module_& module) {
  module.def(
      "openxr_body",
      [](const Pose& pose, const Skeleton& skeleton) {
        const OpenXrBody body = openxr_body(pose, skeleton);
        return py::make_tuple(read_only_copy(body.positions), read_only_copy(body.orientations),
                              py::array_t<uint64_t>(kNumOpenXrJoints, body.flags.data()),
                              body.all_tracked, read_only_copy(body.velocities),
                              read_only_copy(body.turn_rates));
      },
      py::arg("pose"), py::arg("skeleton"),
      "XR_BD_body_tracking's 24 joints: positions (24, 3) m and orientations (24, 4) xyzw, world,\n"
      "XrSpaceLocationFlags (24,) uint64, whether all are tracked, velocities (24, 3) m/s, turn\n"
      "rates (24, 3) rad/s.");
}

}  // namespace

py::typing::Tuple<Reason, py::ellipsis> to_tuple(const Reasons& reasons) {
  py::tuple all(reasons.size());
  for (size_t i = 0; i < reasons.size(); ++i) all[i] = py::cast(reasons.begin()[i]);
  return all;
}

void bind_pose(py::module_& module) {
  bind_enums(module);
  bind_skeleton_result(module);
  bind_pose_result(module);
  bind_openxr_body(module);
}

}  // namespace same::bindings
