#include "same/prediction.hpp"

#include "bindings.hpp"
#include "body_arrays.hpp"

namespace same::bindings {
namespace {

RecentJoints to_recent(const DoubleArray& recent_s, const DoubleArray& recent_world) {
  if (recent_s.ndim() != 1) throw py::value_error("recent_s: expected shape (n,)");
  check_shape(recent_world, "recent_world", {recent_s.shape(0), kNumJoints, 3});
  RecentJoints recent;
  recent.count = static_cast<int>(std::min<ssize_t>(recent_s.shape(0), kVelocityFrames));
  const ssize_t first = recent_s.shape(0) - recent.count;
  for (int i = 0; i < recent.count; ++i) {
    recent.seconds[i] = *recent_s.data(first + i);
    std::copy_n(recent_world.data(first + i, 0, 0), 3 * kNumJoints, recent.world[i][0].data());
  }
  return recent;
}

void bind_types(py::module_& module) {
  module.attr("VELOCITY_FRAMES") = kVelocityFrames;
  py::class_<Estimate>(module, "Estimate", "One network estimate and what its continuation needs.")
      .def(py::init([](const Pose& pose, const DeviceStates& states, const DoubleArray& recent_s,
                       const DoubleArray& recent_world) {
             return Estimate{pose, states, velocities_of(to_recent(recent_s, recent_world))};
           }),
           py::arg("pose"), py::arg("states"), py::arg("recent_s"), py::arg("recent_world"),
           "states: the devices at the pose's time; recent_s (n,) seconds from it, at most 0, and\n"
           "recent_world (n, 22, 3) m: the joints of the last rows of the network's window,\n"
           "oldest first; the last VELOCITY_FRAMES count.")
      .def_readonly("pose", &Estimate::pose, "In the world, before it is finished.")
      .def_property_readonly(
          "velocities",
          [](py::object self) { return rows_view(self.cast<Estimate&>().velocities, self); },
          "(22, 3) m/s, world: a straight line through the recent joints, bounded.");
}

}  // namespace

void bind_prediction(py::module_& module) {
  bind_types(module);
  module.def(
      "continued",
      [](const Estimate& estimate, const DeviceStates& states, double horizon_s,
         double max_extrapolation_s) {
        return read_only_copy(continued(estimate, states, horizon_s, max_extrapolation_s));
      },
      py::arg("estimate"), py::arg("states"), py::arg("horizon_s"), py::arg("max_extrapolation_s"),
      "Joints (22, 3) m, world, horizon_s after the estimate, states being the devices then: at\n"
      "their velocity for at most max_extrapolation_s, then tied to head and controllers.");
}

}  // namespace same::bindings
