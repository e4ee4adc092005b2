#include "python_engine.hpp"

#include <string>
#include <utility>
#include <vector>

#include "same/bundle.hpp"

namespace same::bindings {
namespace {

// A Python object that may be dropped by a thread without the interpreter's lock.
class Held {
 public:
  explicit Held(py::object object) : object_(std::move(object)) {}
  ~Held() {
    const py::gil_scoped_acquire locked;
    object_.release().dec_ref();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  const py::object& operator*() const { return object_; }
  const py::object* operator->() const { return &object_; }

 private:
  py::object object_;
};

class PythonEngine : public Engine {
 public:
  explicit PythonEngine(py::object engine) : engine_(std::move(engine)) {}
  ~PythonEngine() override {
    const py::gil_scoped_acquire locked;
    arrays_.clear();
  }

  Tensor host_input(const char* name) override { return tensor("host_input", name, true); }
  Tensor host_output(const char* name) override { return tensor("host_output", name, false); }

  void run_frame(bool with_images) override {
    const py::gil_scoped_acquire locked;
    engine_->attr("run_frame")(py::arg("with_images") = with_images);
  }
  void peek(Stage stage) override {
    const py::gil_scoped_acquire locked;
    engine_->attr("peek")(kStageNames[static_cast<size_t>(stage)]);
  }
  void reset_state() override {
    const py::gil_scoped_acquire locked;
    engine_->attr("reset_state")();
  }
  void warm_up() override {
    const py::gil_scoped_acquire locked;
    engine_->attr("warm_up")();
  }

 private:
  Tensor tensor(const char* method, const char* name, bool written) {
    const py::gil_scoped_acquire locked;
    const py::object given = engine_->attr(method)(name);
    // Nothing is converted: what is written into a copy never reaches the engine.
    if (!py::isinstance<py::array_t<float>>(given)) refuse(name, given);
    const auto array = py::reinterpret_borrow<py::array>(given);
    constexpr int dense = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if ((array.flags() & dense) != dense || (written && !array.writeable())) refuse(name, given);
    arrays_.push_back(array);
    Tensor found;
    found.data = static_cast<float*>(const_cast<void*>(array.data()));
    found.shape.assign(array.shape(), array.shape() + array.ndim());
    return found;
  }

  [[noreturn]] static void refuse(const char* name, const py::object& given) {
    std::string got = py::type::of(given).attr("__name__").cast<std::string>();
    if (py::isinstance<py::array>(given)) {
      const auto array = py::reinterpret_borrow<py::array>(given);
      got = py::str(array.dtype()).cast<std::string>();
      if (!(array.flags() & py::array::c_style)) got += ", not contiguous";
      if (!array.writeable()) got += ", read-only";
    }
    throw EngineError(std::string(name) + ": expected a C-contiguous float32 array" +
                      " in the engine's own memory, got " + got);
  }

  const Held engine_;
  std::vector<py::array> arrays_;  // their memory is the tensors'
};

class HeldNativeEngine : public Engine {
 public:
  explicit HeldNativeEngine(py::object engine)
      : held_(std::move(engine)), engine_((*held_).cast<Engine&>()) {}

  Tensor host_input(const char* name) override { return engine_.host_input(name); }
  Tensor host_output(const char* name) override { return engine_.host_output(name); }
  void run_frame(bool with_images) override { engine_.run_frame(with_images); }
  void peek(Stage stage) override { engine_.peek(stage); }
  void reset_state() override { engine_.reset_state(); }
  void warm_up() override { engine_.warm_up(); }

 private:
  const Held held_;
  Engine& engine_;
};

}  // namespace

std::unique_ptr<Engine> engine_of(py::object engine) {
  if (py::isinstance<Engine>(engine)) return std::make_unique<HeldNativeEngine>(std::move(engine));
  return std::make_unique<PythonEngine>(std::move(engine));
}

}  // namespace same::bindings
