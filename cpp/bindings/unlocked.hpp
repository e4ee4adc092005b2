// Letting go of the interpreter's lock in threads that may outlive the interpreter.
#pragma once

#include "bindings.hpp"

namespace same::bindings {

// Without the interpreter's lock as long as it lives. Unlike pybind11's it may be unwound: a thread
// that asks for the lock while the interpreter shuts down is ended right there.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() noexcept(false) { PyEval_RestoreThread(state_); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* const state_;
};

}  // namespace same::bindings
