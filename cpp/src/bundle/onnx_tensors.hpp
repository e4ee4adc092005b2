// The constants and the declared shapes of a graph: static, finite, whole, and within a budget.
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "bundle/onnx_wire.hpp"

namespace same::onnx {

using Shape = std::vector<int64_t>;

struct TensorType {
  int kind = 0;
  Shape shape;

  int64_t elements() const;
  int64_t bytes() const;  // in memory; processors compute half precision in single
  bool operator==(const TensorType&) const = default;
};

using TensorTypes = std::map<std::string_view, TensorType>;

// The types of a graph's ValueInfoProtos by name. Throws Refused.
TensorTypes declared_types(std::span<const Field> values);
// The type of a TensorProto once its content is checked. Throws Refused.
TensorType constant_type(const Message& tensor);

}  // namespace same::onnx
