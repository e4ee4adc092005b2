#include "same/tracker.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "gray_images.hpp"
#include "live_ingestion.hpp"
#include "python_engine.hpp"
#include "readings.hpp"
#include "same/stamp_errors.hpp"
#include "unlocked.hpp"

namespace same::bindings {
namespace {

[[noreturn]] void raise_as(const char* name, const std::exception& error) {
  set_error(name, error);
  throw py::error_already_set();
}

// What `call` returns; what the core refuses is raised as the SameError that it is.
template <typename Call>
auto checked(Call call) {
  try {
    return call();
  } catch (const std::invalid_argument& error) {
    raise_as("InvalidInputError", error);
  } catch (const TimestampError& error) {
    raise_as("TimestampError", error);
  } catch (const StateError& error) {
    raise_as("SameError", error);
  } catch (const std::system_error& error) {
    raise_as("SameError",
             std::runtime_error(std::string("the tracker cannot be started: ") + error.what()));
  }
}

// Without the interpreter's lock: for what runs the network, or waits for a lock under which a
// thread may want the interpreter's. Whoever lets go of it may wait 5 ms to get it back: what is
// quick and waits for nobody keeps it.
template <typename Call>
auto unlocked(Call call) {
  return checked([&] {
    const Unlocked unlocked;
    return call();
  });
}

// A Python function that any thread may call, copy and drop. Calls nothing where it is None.
class Callback {
 public:
  explicit Callback(py::object function) {
    if (function.is_none()) return;
    function_ = {new py::object(std::move(function)), [](py::object* held) {
                   const py::gil_scoped_acquire locked;
                   delete held;
                 }};
  }
  explicit operator bool() const { return function_ != nullptr; }
  // With the interpreter's lock held.
  template <typename... Args>
  py::object operator()(Args&&... args) const {
    return (*function_)(std::forward<Args>(args)...);
  }

 private:
  std::shared_ptr<py::object> function_;
};

LogSink to_log(py::object function) {
  return [log = Callback(std::move(function))](const char* text) {
    const py::gil_scoped_acquire locked;
    log(text);
  };
}

TrackerObserver to_observer(py::object estimated, py::object given_out) {
  TrackerObserver observer;
  if (const Callback call(std::move(estimated)); call)
    observer.estimated = [call](int64_t timestamp_ns, int64_t latency_ns, const PartTimes& parts) {
      const py::gil_scoped_acquire locked;
      call(timestamp_ns, latency_ns, std::tuple_cat(parts));
    };
  if (const Callback call(std::move(given_out)); call)
    observer.given_out = [call](int64_t ready_ns, int64_t late_ns) {
      const py::gil_scoped_acquire locked;
      call(ready_ns, late_ns);
    };
  return observer;
}

// Of a same_runtime.TrackerOptions, which has checked them.
TrackerOptions to_options(const py::object& given) {
  const auto duration = [&](const char* name) { return given.attr(name).cast<int64_t>(); };
  const auto flag = [&](const char* name) { return given.attr(name).cast<bool>(); };
  TrackerOptions options;
  options.ground_y = given.attr("ground_y_m").cast<double>();
  options.ring_capacity = given.attr("ring_capacity").cast<size_t>();
  options.max_gap_ns = duration("max_gap_ns");
  options.max_extrapolation_ns = duration("max_extrapolation_ns");
  options.max_prediction_ns = duration("max_prediction_ns");
  options.stale_after_ns = duration("stale_after_ns");
  options.max_view_skew_ns = duration("max_view_skew_ns");
  options.hold_bone_lengths = flag("hold_bone_lengths");
  options.solve_rotations = flag("solve_rotations");
  options.plant_feet = flag("plant_feet");
  if (const py::object smoothing = given.attr("smoothing"); !smoothing.is_none())
    options.smoothing = OneEuro{smoothing.attr("min_cutoff_hz").cast<double>(),
                                smoothing.attr("cutoff_per_speed").cast<double>()};
  return options;
}

// Of a same_runtime.LiveOptions, which has checked them.
LiveOptions to_live_options(const py::object& given) {
  LiveOptions options;
  options.display_rate_hz = given.attr("display_rate_hz").cast<double>();
  options.lead_ns = given.attr("lead_ns").cast<int64_t>();
  const auto between = given.attr("between_frames").cast<std::string>();
  options.between_frames = between == "hold"         ? BetweenFrames::HOLD
                           : between == "image_free" ? BetweenFrames::IMAGE_FREE
                                                     : BetweenFrames::REANCHOR;
  options.cameras_lost_after_ns = given.attr("cameras_lost_after_ns").cast<int64_t>();
  options.lost_rate_hz = given.attr("lost_rate_hz").cast<double>();
  options.max_wait_ns = given.attr("max_wait_ns").cast<int64_t>();
  return options;
}

std::shared_ptr<Tracker> open_tracker(py::object engine, const CameraRig& rig, double image_mean,
                                      double image_std, bool z_depth, double column_zoom,
                                      double row_zoom, bool reads_straps, const py::object& options,
                                      py::object log, py::object hint, py::object estimated,
                                      py::object given_out) {
  TrackerOptions checked = to_options(options);
  checked.log = to_log(std::move(log));
  checked.hint = to_log(std::move(hint));
  checked.observer = to_observer(std::move(estimated), std::move(given_out));
  std::unique_ptr<Engine> held = engine_of(std::move(engine));
  const NetworkInputs inputs{image_mean,
                             image_std,
                             z_depth ? DepthMode::Z : DepthMode::RANGE,
                             {column_zoom, row_zoom},
                             reads_straps};
  // Without the lock too when it is dropped: its threads may want it.
  const auto drop = [](Tracker* tracker) {
    if (PyGILState_Check()) {
      const py::gil_scoped_release released;
      delete tracker;
    } else {
      delete tracker;
    }
  };
  return unlocked([&] {
    return std::shared_ptr<Tracker>(new Tracker(std::move(held), rig, inputs, checked), drop);
  });
}

// Of an ImuFrame, as it is: the core checks and normalises what goes in.
Readings to_readings(const py::object& imu) {
  Readings readings;
  readings.timestamp_ns = imu.attr("timestamp_ns").cast<int64_t>();
  for (int device = 0; device < kNumDevices; ++device) {
    const py::object reading = imu.attr(kDeviceNames[device]);
    if (reading.is_none()) continue;
    const auto q = read_vector<4>(reading.attr("orientation_xyzw"), "orientation_xyzw");
    const Quaternion turn{q[0], q[1], q[2], q[3]};
    if (device < kNumPoseDevices)
      readings.poses[device] =
          PoseSample{read_vector<3>(reading.attr("position"), "position"), turn};
    else
      readings.legs[device - kNumPoseDevices] =
          LegSample{read_vector<3>(reading.attr("acceleration"), "acceleration"), turn};
  }
  return readings;
}

// A StereoFrame's images, held while the core reads them.
struct HeldImages {
  std::array<std::optional<py::array>, 2> arrays;
  StereoFrame frame;

  HeldImages(const Tracker& tracker, const py::object& from) {
    frame.timestamp_ns = from.attr("timestamp_ns").cast<int64_t>();
    const FisheyeCamera& camera = tracker.rig().cameras[0];
    for (size_t view = 0; view < 2; ++view) {
      const char* name = view == 0 ? "left" : "right";
      if (const py::object image = from.attr(name); !image.is_none())
        arrays[view] = image.cast<py::array>();
      frame.images[view] = to_gray(arrays[view], name, camera.height, camera.width);
    }
  }
};

py::tuple as_tuple(const RunningFigures& figures) {
  return py::make_tuple(figures.count, figures.rate_hz, figures.latency_median_ms,
                        figures.latency_p99_ms, figures.latency_max_ms);
}

void start(Tracker& tracker, const py::object& options, py::object clock) {
  const LiveOptions checked = to_live_options(options);
  std::function<int64_t()> read;
  if (const Callback call(std::move(clock)); call)
    read = [call] {
      const py::gil_scoped_acquire locked;
      const py::object now_ns = call();
      if (now_ns.is_none()) throw NoTime();
      return now_ns.cast<int64_t>();
    };
  unlocked([&] { tracker.start(checked, std::move(read)); });
}

void on_pose(Tracker& tracker, py::object callback) {
  std::function<void(const Pose&)> listener;
  if (const Callback call(std::move(callback)); call)
    listener = [call](const Pose& pose) {
      const py::gil_scoped_acquire locked;
      call(pose);
    };
  unlocked([&] { tracker.on_pose(std::move(listener)); });
}

using TrackerClass = py::class_<Tracker, std::shared_ptr<Tracker>>;

void bind_running(TrackerClass& tracker) {
  tracker
      .def(
          "push",
          [](Tracker& self, const py::object& frame, const py::object& imu) {
            const HeldImages held(self, frame);
            const Readings readings = to_readings(imu);
            return unlocked([&] { return self.push(held.frame, readings); });
          },
          py::arg("frame"), py::arg("imu"), "See SamePoseTracker.push; both are checked.")
      .def(
          "push_frame",
          [](Tracker& self, const py::object& frame, std::optional<int64_t> arrival_ns) {
            const HeldImages held(self, frame);
            return unlocked([&] { return self.push_frame(held.frame, arrival_ns); });
          },
          py::arg("frame"), py::arg("arrival_ns").none(true), "See SamePoseTracker.push_frame.")
      .def(
          "step", [](Tracker& self) { return unlocked([&] { return self.step(); }); },
          "See SamePoseTracker.step.")
      .def(
          "at_time",
          [](Tracker& self, int64_t timestamp_ns) {
            return checked([&] { return self.at_time(timestamp_ns); });
          },
          py::arg("timestamp_ns"), "See SamePoseTracker.at_time.")
      .def(
          "latest", [](const Tracker& self) { return self.latest(); },
          "See SamePoseTracker.latest.")
      .def(
          "estimate_without_images",
          [](Tracker& self) { unlocked([&] { self.estimate_without_images(); }); },
          "Run the network at the newest head sample, as while the cameras are lost.")
      .def(
          "predict_without_images",
          [](Tracker& self) { unlocked([&] { self.predict_without_images(); }); },
          "Run the network on the newest device samples, without a trace in its state.")
      .def("start", &start, py::arg("options"), py::arg("clock").none(true),
           "See SamePoseTracker.start. clock: None for steady_ns; it may return None: not known.")
      .def(
          "stop", [](Tracker& self) { unlocked([&] { self.stop(); }); },
          "See SamePoseTracker.stop; does not wait where is_inside.")
      .def(
          "await_stop", [](Tracker& self) { unlocked([&] { self.await_stop(); }); },
          "Wait for what stop did not wait for; nothing while started, nor where is_inside.")
      .def_property_readonly("is_inside", &Tracker::is_inside,
                             "Whether the tracker has called what this thread is in.")
      .def("on_pose", &on_pose, py::arg("callback").none(true),
           "The one function that is called with each Pose given out; None: nobody.")
      .def(
          "recentre",
          [](Tracker& self, bool keep_place) { unlocked([&] { self.recentre(keep_place); }); },
          py::arg("keep_place"), "See SamePoseTracker.recentre.")
      .def(
          "floor_from_controller",
          [](Tracker& self) { return unlocked([&] { return self.floor_from_controller(); }); },
          "See SamePoseTracker.floor_from_controller.")
      .def(
          "reference_space_changed",
          [](Tracker& self, int64_t timestamp_ns, const DoubleArray& position,
             const DoubleArray& orientation, bool legs_too) {
            const PoseSample origin{to_vec3(position, "position"),
                                    to_quaternion(orientation, "orientation")};
            unlocked([&] { self.reference_space_changed(timestamp_ns, origin, legs_too); });
          },
          py::arg("timestamp_ns"), py::arg("position"), py::arg("orientation"), py::arg("legs_too"),
          "See SamePoseTracker.reference_space_changed.")
      .def(
          "reset", [](Tracker& self) { unlocked([&] { self.reset(); }); },
          "See SamePoseTracker.reset.")
      .def(
          "close", [](Tracker& self) { unlocked([&] { self.close(); }); },
          "Stop, and drop the engine. From inside an estimate the second call drops it.");
}

void bind_parts(TrackerClass& tracker) {
  tracker.def_property_readonly("started", &Tracker::started, "Whether its threads run.")
      .def(
          "check_open", [](const Tracker& self) { checked([&] { self.check_open(); }); },
          "Raises once closed.")
      .def_property_readonly(
          "ingestion",
          [](const std::shared_ptr<Tracker>& self) {
            return LiveIngestion(std::shared_ptr<Ingestion>(self, &self->ingestion()));
          },
          "Where samples go in.")
      .def_property_readonly(
          "synchroniser",
          [](const std::shared_ptr<Tracker>& self) {
            return std::shared_ptr<Synchroniser>(self, &self->synchroniser());
          },
          "The devices' samples.")
      .def_property_readonly("inbox", &Tracker::inbox, py::return_value_policy::reference_internal,
                             "Where images go in.")
      .def_property_readonly(
          "calibration",
          [](Tracker& self) -> Calibration& { return self.pipeline().calibration(); },
          py::return_value_policy::reference_internal, "What is known of the user.")
      .def(
          "newest_estimate",
          [](Tracker& self, bool predicted) -> std::optional<Estimate> {
            Snapshot snapshot;
            self.pipeline().snapshot().read(snapshot);
            return predicted ? snapshot.predicted : snapshot.newest;
          },
          py::arg("predicted") = false,
          "Of a frame, or what the network made of newer device samples; None where there is none.")
      .def(
          "clock_now_ns",
          [](Tracker& self) { return unlocked([&] { return self.clock_now_ns(); }); },
          "Now on the tracker's clock; None when not started.")
      .def(
          "off_clock",
          [](Tracker& self, std::optional<int64_t> now_ns) {
            return std::tuple_cat(
                unlocked([&] { return self.pipeline().clock_watch().off_clock(now_ns); }));
          },
          py::arg("now_ns").none(true),
          "For each stream whether it is on another clock; the first time each is logged.")
      .def(
          "figures",
          [](const Tracker& self) {
            const TrackerStats stats = self.stats();
            py::dict figures;
            figures["estimates"] = as_tuple(stats.estimates);
            figures["output"] = as_tuple(stats.output);
            figures["deadlines_missed"] = stats.deadlines_missed;
            figures["frames_too_late"] = stats.frames_too_late;
            figures["relocalisations"] = stats.relocalisations;
            figures["engine_failures"] = stats.engine_failures;
            figures["worker_errors"] = stats.worker_errors;
            return figures;
          },
          "What TrackerStats counts; estimates and output as the fields of RunningFigures.");
}

}  // namespace

void bind_tracker(py::module_& module) {
  module.attr("PARTS") = py::cast(std::tuple_cat(kPartNames));
  module.attr("MAX_FRAME_GAP_NS") = kMaxFrameGapNs;
  TrackerClass tracker(
      module, "Tracker",
      "What SamePoseTracker is a façade of: see there. Any thread may call any method. Raises\n"
      "InvalidInputError, TimestampError, EngineError and SameError.");
  tracker.def(
      py::init(&open_tracker), py::arg("engine"), py::arg("rig"), py::arg("image_mean"),
      py::arg("image_std"), py::arg("z_depth"), py::arg("column_zoom"), py::arg("row_zoom"),
      py::arg("reads_straps"), py::arg("options"), py::arg("log"), py::arg("hint"),
      py::arg("estimated").none(true), py::arg("given_out").none(true),
      "engine: a same_engines.Engine or a NativeEngine; it is kept, not closed. options: a\n"
      "TrackerOptions. log, hint: called with one-line warnings, and with likely mistakes behind\n"
      "implausible input. estimated, given_out: as Observer's; the parts' times come third.");
  bind_running(tracker);
  bind_parts(tracker);
}

}  // namespace same::bindings
