#include "bindings.hpp"
#include "bundle/sha256.hpp"
#include "same/bundle.hpp"
#include "same/engine.hpp"
#include "same/onnxruntime_engine.hpp"

namespace same::bindings {
namespace {

Stage to_stage(const std::string& name) {
  for (int stage = 0; stage < kNumStages; ++stage)
    if (name == kStageNames[stage]) return static_cast<Stage>(stage);
  throw EngineError("stage " + name + ": expected visual, inertial, fusion or temporal");
}

// The engine's own memory, which `owner` keeps alive.
py::array_t<float> view_of(const Tensor& tensor, const py::handle& owner) {
  return py::array_t<float>(tensor.shape, tensor.data, owner);
}

void bind_engine(py::module_& module) {
  py::class_<Engine>(
      module, "NativeEngine",
      "The stages of a bundle on ONNX Runtime, as apps without Python run them: see\n"
      "same_engines.Engine. Raises BundleError and EngineError.")
      .def(py::init([](const Bundle& bundle, const std::string& library,
                       const std::string& precision, int threads, const std::string& provider) {
             return open_onnxruntime_engine(bundle, {.library = library,
                                                     .precision = precision,
                                                     .threads = threads,
                                                     .provider = provider,
                                                     .provider_options = {}});
           }),
           py::arg("bundle"), py::arg("library"), py::arg("precision"), py::arg("threads"),
           py::arg("provider") = "cpu", "library: the path of ONNX Runtime's shared library.")
      .def(
          "host_input",
          [](const py::object& self, const char* name) {
            return view_of(self.cast<Engine&>().host_input(name), self);
          },
          py::arg("name"), "The memory of an input that no stage computes; write into it.")
      .def(
          "host_output",
          [](const py::object& self, const char* name) {
            return view_of(self.cast<Engine&>().host_output(name), self);
          },
          py::arg("name"), "A stage's output, valid until that stage runs again.")
      .def("run_frame", &Engine::run_frame, py::arg("with_images") = true,
           py::call_guard<py::gil_scoped_release>(), "Run one frame's stages in order.")
      .def(
          "peek",
          [](Engine& self, const std::string& stage) {
            const Stage which = to_stage(stage);
            const py::gil_scoped_release released;
            self.peek(which);
          },
          py::arg("stage"), "Run one stage, but leave the carried state as it was.")
      .def("reset_state", &Engine::reset_state, "Zero all carried state.");
}

}  // namespace

void bind_native(py::module_& module) {
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const BundleError& error) {
      set_error("BundleError", error);
    } catch (const EngineError& error) {
      set_error("EngineError", error);
    }
  });
  module.def(
      "sha256_hex", [](const py::bytes& content) { return sha256_hex(content); },
      py::arg("content"), "SHA-256 as the native reader of bundles computes it, lower-case hex.");
  py::class_<Bundle>(module, "NativeBundle",
                     "A bundle as apps without Python open it; judges as same_engines.Bundle and\n"
                     "the tracker's check of its tensors do. Raises BundleError.")
      .def(py::init([](const std::string& path) { return Bundle::open(path); }), py::arg("path"))
      .def(
          "graph_bytes",
          [](const Bundle& self, const std::string& precision, const std::string& stage) {
            return py::bytes(self.graph_bytes(precision, to_stage(stage)));
          },
          py::arg("precision"), py::arg("stage"),
          "A graph file's bytes, once its hash and content are checked.")
      .def("verify", &Bundle::verify, py::call_guard<py::gil_scoped_release>(),
           "Check every graph file.");
  bind_engine(module);
}

}  // namespace same::bindings
