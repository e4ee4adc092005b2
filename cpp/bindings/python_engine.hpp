// Engines that Python brings, as the tracker's loop runs them.
#pragma once

#include <memory>

#include "bindings.hpp"
#include "same/engine.hpp"

namespace same::bindings {

// For a `same_engines.Engine`, whose methods are called with the interpreter's lock held, or a
// NativeEngine, which is run without it. Keeps `engine` alive.
std::unique_ptr<Engine> engine_of(py::object engine);

}  // namespace same::bindings
