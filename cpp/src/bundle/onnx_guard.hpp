// Refuses a graph that is not what the exporter writes, before a library that trusts what it reads
// sees it; same_engines/bundle/onnx_guard.py says why, and judges alike.
#pragma once

#include <string>
#include <string_view>

#include "same/bundle.hpp"

namespace same {

// Throws BundleError, naming `where`, unless `content` (a serialised ONNX ModelProto) has the
// signature of `spec` and keeps its budget.
void check_graph(std::string_view content, const GraphSpec& spec, const std::string& where);

}  // namespace same
