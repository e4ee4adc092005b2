// The operators that a bundle's graph may consist of, and what their attributes may be: the tables
// of same_engines/bundle/onnx_operators.py.
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "bundle/onnx_wire.hpp"

namespace same::onnx {

// TensorProto.DataType; a bundle's graphs have no other types.
enum ElementKind : int { FLOAT = 1, UINT8 = 2, INT8 = 3, INT32 = 6, INT64 = 7, FLOAT16 = 10 };

constexpr std::string_view kOperatorDomain = "same";
constexpr std::string_view kOperatorName = "SpatialAwareDeformAttn";

// AttributeProto.AttributeType, those that a bundle's nodes have.
enum class AttributeKind : int {
  NONE = 0,
  REAL = 1,
  INTEGER = 2,
  WORD = 3,
  TENSOR = 4,
  REALS = 6,
  INTEGERS = 7,
  WORDS = 8
};

struct AttributeRule {
  std::string_view name;
  AttributeKind kind;
  double low = 0, high = 0;
  std::string_view word = "";
};

struct OperatorRule {
  std::string_view name;
  std::span<const AttributeRule> attributes;
  int fewest_inputs, most_inputs;
};

// Null where the operator of ONNX's own domain is not allowed.
const OperatorRule* find_operator(std::string_view name);
std::span<const AttributeRule> own_operator_rules();

// Whether that input of the operator decides a shape, and so must be a constant.
bool must_be_constant(std::string_view operator_name, size_t input);

// A node's attributes that hold integers, by name; each keeps its rule. Throws Refused.
using Integers = std::map<std::string_view, std::vector<int64_t>>;
Integers check_attributes(const Message& node, std::span<const AttributeRule> rules);

}  // namespace same::onnx
