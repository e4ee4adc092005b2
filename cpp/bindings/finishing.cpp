#include "bindings.hpp"
#include "body_arrays.hpp"
#include "same/pose_smoother.hpp"

namespace same::bindings {
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
}

}  // namespace same::bindings
