#include "same/calibration.hpp"

#include <pybind11/functional.h>
#include <pybind11/native_enum.h>

#include "bindings.hpp"
#include "body_arrays.hpp"
#include "live_ingestion.hpp"

namespace same::bindings {
namespace {

using StrapValues = std::tuple<double, py::array_t<double>, py::array_t<double>>;

std::optional<StrapValues> strap_values(const Calibration& calibration) {
  const auto straps = calibration.leg_straps();
  if (!straps) return std::nullopt;
  return StrapValues{straps->head_height_m, to_numpy(straps->mountings[0]),
                     to_numpy(straps->mountings[1])};
}

void bind_state(py::module_& module) {
  py::native_enum<CalibrationState>(
      module, "CalibrationState", "enum.IntEnum",
      "What same_runtime.calibration.state.CalibrationState says, in its order.")
      .value("DEFAULT", CalibrationState::DEFAULT)
      .value("COLLECTING", CalibrationState::COLLECTING)
      .value("DONE", CalibrationState::DONE)
      .value("GIVEN", CalibrationState::GIVEN)
      .value("FAILED", CalibrationState::FAILED)
      .finalize();
  module.attr("LEG_OUTWARD_RAD") = py::cast(std::tuple_cat(kOutwardRad));
  module.attr("LOWEST_STATURE_M") = kLowestStatureM;
  module.attr("HIGHEST_STATURE_M") = kHighestStatureM;
  module.attr("SHORTEST_BONE_M") = kShortestBoneM;
  module.attr("LONGEST_BONE_M") = kLongestBoneM;
}

void bind_readings(py::class_<Calibration>& calibration) {
  calibration
      .def_property_readonly("height_state", &Calibration::height_state,
                             "How far user_height_m is.")
      .def_property_readonly("legs_state", &Calibration::legs_state,
                             "How far what start_legs measures is.")
      .def_property_readonly(
          "legs_failure",
          [](const Calibration& self) -> std::optional<std::string> {
            const char* failure = self.legs_failure();
            return failure ? std::optional<std::string>(failure) : std::nullopt;
          },
          "Why legs_state is FAILED; None otherwise.")
      .def_property_readonly("floor_state", &Calibration::floor_state, "How far ground_y is.")
      .def_property_readonly("forward_state", &Calibration::forward_state,
                             "How far T_user_world is.")
      .def_property_readonly("user_height_m", &Calibration::user_height_m,
                             "Stature; None until measured or given.")
      .def_property_readonly(
          "bone_lengths",
          [](const Calibration& self) -> std::optional<py::array_t<double>> {
            const auto lengths = self.bone_lengths();
            if (!lengths) return std::nullopt;
            return read_only(to_numpy(*lengths));
          },
          "(22,) from each joint's parent, read-only; None until measured or given.")
      .def_property_readonly(
          "leg_straps", &strap_values,
          "The head's height in the stand and, for the left and the right sensor, the turn (4,)\n"
          "xyzw from it as worn to one worn right; None until measured or given.")
      .def_property_readonly("leg_straps_hold", &Calibration::leg_straps_hold,
                             "Whether leg_straps are known and the sensors still sit so.")
      .def_property_readonly("legs_changed", &Calibration::legs_changed,
                             "Whether a leg sensor sits otherwise than it was measured or given.")
      .def_property_readonly("ground_y", &Calibration::ground_y,
                             "The floor's height in the world, m.")
      .def_property_readonly(
          "T_user_world",
          [](const Calibration& self) { return read_only(to_numpy(self.T_user_space())); },
          "(4, 4) from the space that head and controllers are told in to the frame that poses "
          "come out\n"
          "in, read-only.");
}

void bind_commands(py::class_<Calibration>& calibration) {
  calibration
      .def("give_user_height", &Calibration::give_user_height, py::arg("height_m"),
           "Give the stature instead of measuring it.")
      .def(
          "give_bone_lengths",
          [](Calibration& self, const DoubleArray& lengths) {
            self.give_bone_lengths(to_lengths(lengths, "lengths"));
          },
          py::arg("lengths"), "Give the bones' lengths (22,) instead of measuring them.")
      .def(
          "give_leg_straps",
          [](Calibration& self, double head_height_m, const DoubleArray& left,
             const DoubleArray& right) {
            self.give_leg_straps(
                {head_height_m, {to_quaternion(left, "left"), to_quaternion(right, "right")}});
          },
          py::arg("head_height_m"), py::arg("left"), py::arg("right"),
          "Give what leg_straps tells instead of measuring it.")
      .def("forget_user", &Calibration::forget_user,
           "Another user: height and bones are measured anew, leg sensors count as worn right.")
      .def("give_floor", &Calibration::give_floor, py::arg("ground_y"),
           "Give the floor's height in the world.")
      .def("floor_from_controller", &Calibration::floor_from_controller, py::arg("states"),
           "Take the lower controller's height as the floor's and return it. Raises ValueError\n"
           "when no controller is tracked and for a height that is no floor's under the head.")
      .def("start_legs", &Calibration::start_legs,
           "Measure how the leg sensors are strapped on, anew if that is under way.")
      .def(
          "recentre", &Calibration::recentre, py::arg("states"), py::arg("keep_place"),
          "Make the head's heading forward (-z), and unless keep_place its place on the floor the\n"
          "origin. Raises ValueError while the head is not tracked.")
      .def("update", &Calibration::update, py::arg("pose"), py::arg("states"), py::arg("ground_y"),
           "Take one estimate, in the world with its floor at ground_y, into what is measured.");
}

}  // namespace

void bind_calibration(py::module_& module) {
  bind_state(module);
  py::class_<Calibration> calibration(
      module, "Calibration",
      "What same_runtime.Calibration measures with. Any thread may call any method; values are\n"
      "trusted. All lengths are metres.");
  calibration.def(
      py::init([](LiveIngestion& ingestion, double ground_y, Calibration::OnFailure on_failure) {
        return std::make_unique<Calibration>(ingestion.ingestion, ground_y, std::move(on_failure));
      }),
      py::arg("ingestion"), py::arg("ground_y"), py::arg("on_failure"), py::keep_alive<1, 2>(),
      "ingestion: where leg sensors are corrected; ground_y: the floor's height in the\n"
      "world; on_failure: called with why a measurement failed.");
  bind_readings(calibration);
  bind_commands(calibration);
}

}  // namespace same::bindings
