#include "bindings.hpp"
#include "body_arrays.hpp"
#include "same/pose_finisher.hpp"

namespace same::bindings {
namespace {

using Smoothing = std::optional<std::pair<double, double>>;

std::optional<OneEuro> to_settings(const Smoothing& smoothing) {
  if (!smoothing) return std::nullopt;
  return OneEuro{smoothing->first, smoothing->second};
}

}  // namespace

void bind_finishing(py::module_& module) {
  py::class_<PoseSmoother>(
      module, "PoseSmoother",
      "What same_runtime.estimation.finishing.PoseSmoother computes with. For one thread at a\n"
      "time.")
      .def(py::init([](double min_cutoff_hz, double cutoff_per_speed) {
             return PoseSmoother({min_cutoff_hz, cutoff_per_speed});
           }),
           py::arg("min_cutoff_hz"), py::arg("cutoff_per_speed"))
      .def(
          "smooth",
          [](PoseSmoother& self, const Pose& pose, bool keep) {
            return read_only_copy(self.smooth(pose, keep));
          },
          py::arg("pose"), py::arg("keep"),
          "The joints (22, 3) m, world; without keep they leave no trace.")
      .def("reset", &PoseSmoother::reset, "Forget what is carried from pose to pose.");
  py::class_<PoseFinisher>(
      module, "PoseFinisher",
      "What same_runtime.estimation.finishing.PoseFinisher computes with. Any thread may call any\n"
      "method.")
      .def(py::init([](const Calibration& calibration, const Smoothing& smoothing,
                       bool solve_rotations, bool plant_feet, bool hold_bone_lengths) {
             return std::make_unique<PoseFinisher>(
                 FinisherOptions{to_settings(smoothing), solve_rotations, plant_feet,
                                 hold_bone_lengths},
                 calibration);
           }),
           py::arg("calibration"), py::arg("smoothing").none(true), py::arg("solve_rotations"),
           py::arg("plant_feet"), py::arg("hold_bone_lengths"), py::keep_alive<1, 2>(),
           "smoothing: min_cutoff_hz and cutoff_per_speed of OneEuro; the others as in\n"
           "TrackerOptions.")
      .def("finish", &PoseFinisher::finish, py::arg("pose"), py::arg("keep"),
           "The pose, of the world, as it is given out, in the user's frame; without keep it\n"
           "leaves no trace.")
      .def("reset", &PoseFinisher::reset, "Forget what is carried from pose to pose.");
}

}  // namespace same::bindings
