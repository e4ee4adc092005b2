#include "same/plausibility.hpp"

#include <pybind11/functional.h>

#include "bindings.hpp"
#include "body_arrays.hpp"

namespace same::bindings {

void bind_plausibility(py::module_& module) {
  py::class_<Plausibility>(
      module, "Plausibility",
      "Whether images and devices can be what they are said to be. For one thread at a time.")
      .def(py::init<double, double, Plausibility::OnHint>(), py::arg("image_mean"),
           py::arg("image_std"), py::arg("on_hint"),
           "image_mean, image_std: of the network's images, in shares of white; on_hint: called\n"
           "with the likely mistake behind each kind of implausible input, once for each.")
      .def("reset", &Plausibility::reset, "Forget what has lasted; the hints stay given.")
      .def(
          "of_view",
          [](Plausibility& self, const FloatArray& image) {
            if (image.ndim() != 2 || image.size() == 0)
              throw py::value_error("image: expected shape (height, width), not empty");
            return self.of_view(image.data(), static_cast<int>(image.shape(0)),
                                static_cast<int>(image.shape(1)));
          },
          py::arg("image"), "Why a network image (height, width) shows nothing; None when it does.")
      .def(
          "of_devices",
          [](Plausibility& self, const DeviceStates& states, double ground_y) {
            return to_tuple(self.of_devices(states, ground_y));
          },
          py::arg("states"), py::arg("ground_y"),
          "Why the devices at one frame, a tracked head among them, cannot be worn ones.")
      .def(
          "of_estimate",
          [](Plausibility& self, const Pose& pose, double ground_y) {
            return to_tuple(self.of_estimate(pose, ground_y));
          },
          py::arg("pose"), py::arg("ground_y"),
          "Why a pose, made of the devices judged last and of images, is nobody or no body.");
}

}  // namespace same::bindings
