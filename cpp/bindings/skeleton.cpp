#include "bindings.hpp"
#include "body_arrays.hpp"
#include "same/bone_lengths.hpp"
#include "same/pose.hpp"
#include "same/skeleton_solver.hpp"

namespace same::bindings {
void bind_skeleton(py::module_& module) {
  py::class_<SkeletonSolver>(
      module, "SkeletonSolver",
      "What same_runtime.skeleton.SkeletonSolver computes with. For one thread at a time.")
      .def(py::init<>())
      .def(
          "solve",
          [](SkeletonSolver& self, int64_t timestamp_ns, const DoubleArray& joints,
             const DoubleArray& devices, bool good, bool restart, bool keep) {
            const SolvedSkeleton solved =
                self.solve({timestamp_ns, to_joints(joints, "joints"),
                            to_orientations(devices, "devices"), good, restart},
                           keep);
            return Skeleton{solved, self.user().offsets(), self.user().changed_count()};
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
            self.user().give_lengths(to_lengths(lengths, "lengths"));
          },
          py::arg("lengths"), "Fix the bones' lengths, (22,) m from each joint's parent.");
  module.def(
      "bone_lengths",
      [](const DoubleArray& joints) { return to_numpy(bone_lengths(to_joints(joints, "joints"))); },
      py::arg("joints"), "(22,) m from each joint's parent, of joints (22, 3); 0 for the pelvis.");
  module.def(
      "with_bone_lengths",
      [](const DoubleArray& joints, const DoubleArray& lengths) {
        return to_numpy(
            with_bone_lengths(to_joints(joints, "joints"), to_lengths(lengths, "lengths")));
      },
      py::arg("joints"), py::arg("lengths"),
      "Joints (22, 3) m with every bone's direction kept and its length that of lengths (22,);\n"
      "the head stays.");
}

}  // namespace same::bindings
