#include "bindings.hpp"
#include "same/skeleton_solver.hpp"

namespace same::bindings {
namespace {

py::array_t<double> read_only(py::array_t<double> copy) {
  py::detail::array_proxy(copy.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return copy;
}

template <typename T>
py::array_t<double> read_only_copy(const std::array<T, kNumJoints>& rows) {
  constexpr ssize_t columns = sizeof(T) / sizeof(double);
  return read_only(py::array_t<double>({static_cast<ssize_t>(kNumJoints), columns},
                                       reinterpret_cast<const double*>(rows.data())));
}

Joints to_joints(const DoubleArray& array, const char* name) {
  check_shape(array, name, {kNumJoints, 3});
  Joints joints;
  std::copy_n(array.data(), 3 * kNumJoints, joints[0].data());
  return joints;
}

DeviceOrientations to_orientations(const DoubleArray& array, const char* name) {
  check_shape(array, name, {kNumDevices, 4});
  DeviceOrientations devices;
  for (int device = 0; device < kNumDevices; ++device) {
    const double* q = array.data(device, 0);
    if (q[0] != 0 || q[1] != 0 || q[2] != 0 || q[3] != 0)
      devices[device] = Quaternion{q[0], q[1], q[2], q[3]};
  }
  return devices;
}

}  // namespace

void bind_skeleton(py::module_& module) {
  py::class_<SolvedSkeleton>(module, "SolvedSkeleton",
                             "One solved pose; every property is a new read-only array.")
      .def_property_readonly(
          "joints", [](const SolvedSkeleton& s) { return read_only_copy(s.joints); },
          "(22, 3) m, world.")
      .def_property_readonly(
          "rotations_world", [](const SolvedSkeleton& s) { return read_only_copy(s.rotations); },
          "(22, 4) xyzw, T-pose to world.")
      .def_property_readonly(
          "rotations_local", [](const SolvedSkeleton& s) { return read_only_copy(s.local); },
          "(22, 4) xyzw, joint to its parent; the pelvis's is to the world.")
      .def_property_readonly(
          "velocities", [](const SolvedSkeleton& s) { return read_only_copy(s.velocities); },
          "(22, 3) m/s, world.")
      .def_property_readonly(
          "turn_rates", [](const SolvedSkeleton& s) { return read_only_copy(s.turn_rates); },
          "(22, 3) rad/s about the world's axes.")
      .def_property_readonly(
          "foot_contacts",
          [](const SolvedSkeleton& s) {
            return read_only(py::array_t<double>(2, s.foot_contacts.data()));
          },
          "(2,) 0..1, how sure it is that the left and right toes stand on the floor.");
  py::class_<SkeletonSolver>(
      module, "SkeletonSolver",
      "What same_runtime.skeleton.SkeletonSolver computes with. For one thread at a time.")
      .def(py::init<>())
      .def(
          "solve",
          [](SkeletonSolver& self, int64_t timestamp_ns, const DoubleArray& joints,
             const DoubleArray& devices, bool good, bool restart, bool keep) {
            return self.solve({timestamp_ns, to_joints(joints, "joints"),
                               to_orientations(devices, "devices"), good, restart},
                              keep);
          },
          py::arg("timestamp_ns"), py::arg("joints"), py::arg("devices"), py::arg("good"),
          py::arg("restart"), py::arg("keep") = true,
          "joints (22, 3) m, world; devices (5, 4) xyzw, zeros where missing. good: counts in the\n"
          "measurement of the user; restart: what is carried does not hold. Without keep the pose\n"
          "is solved from what is carried and leaves no trace.")
      .def_readwrite("ground_y", &SkeletonSolver::ground_y, "Height of the floor, m.")
      .def_readwrite("plant_feet", &SkeletonSolver::plant_feet,
                     "Whether feet that stand are held where they are, and all above the floor.")
      .def("reset", &SkeletonSolver::reset,
           "Forget what is carried from pose to pose; the user's offsets stay.")
      .def(
          "give_lengths",
          [](SkeletonSolver& self, const DoubleArray& lengths) {
            check_shape(lengths, "lengths", {kNumJoints});
            std::array<double, kNumJoints> metres;
            std::copy_n(lengths.data(), kNumJoints, metres.begin());
            self.user().give_lengths(metres);
          },
          py::arg("lengths"), "Fix the bones' lengths, (22,) m from each joint's parent.")
      .def_property_readonly(
          "offsets", [](SkeletonSolver& self) { return read_only_copy(self.user().offsets()); },
          "(22, 3) m, from each joint's parent in the T-pose.")
      .def_property_readonly(
          "changed_count", [](SkeletonSolver& self) { return self.user().changed_count(); },
          "How often offsets changed.");
  module.def(
      "stands_upright",
      [](const DoubleArray& joints) { return stands_upright(to_joints(joints, "joints")); },
      py::arg("joints"),
      "Whether a body of joints (22, 3) m stands upright on straight legs: then its lengths are\n"
      "known best.");
}

}  // namespace same::bindings
