#include "bundle/onnx_operators.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace same::onnx {
namespace {

using Kind = AttributeKind;

constexpr size_t kMostItems = 16;
constexpr double kFirstAxis = -8, kLastAxis = 7;

constexpr AttributeRule kAxis{"axis", Kind::INTEGER, kFirstAxis, kLastAxis};
constexpr AttributeRule kAutoPad{"auto_pad", Kind::WORD, 0, 0, "NOTSET"};
constexpr AttributeRule kDilations{"dilations", Kind::INTEGERS, 1, 32};
constexpr AttributeRule kKernelShape{"kernel_shape", Kind::INTEGERS, 1, 32};
constexpr AttributeRule kPads{"pads", Kind::INTEGERS, 0, 32};
constexpr AttributeRule kStrides{"strides", Kind::INTEGERS, 1, 32};

constexpr AttributeRule kAxisOnly[] = {kAxis};
constexpr AttributeRule kCast[] = {{"to", Kind::INTEGER, FLOAT, FLOAT16}};
constexpr AttributeRule kConv[] = {
    {"group", Kind::INTEGER, 1, 1 << 13}, kAutoPad, kDilations, kKernelShape, kPads, kStrides};
constexpr AttributeRule kGelu[] = {{"approximate", Kind::WORD, 0, 0, "none"}};
constexpr AttributeRule kGemm[] = {{"alpha", Kind::REAL, 1, 1},
                                   {"beta", Kind::REAL, 1, 1},
                                   {"transA", Kind::INTEGER, 0, 0},
                                   {"transB", Kind::INTEGER, 0, 1}};
constexpr AttributeRule kGridSample[] = {{"align_corners", Kind::INTEGER, 0, 0},
                                         {"mode", Kind::WORD, 0, 0, "linear"},
                                         {"padding_mode", Kind::WORD, 0, 0, "zeros"}};
constexpr AttributeRule kLayerNormalization[] = {
    kAxis, {"epsilon", Kind::REAL, 1e-12, 1}, {"stash_type", Kind::INTEGER, FLOAT, FLOAT}};
constexpr AttributeRule kMaxPool[] = {{"ceil_mode", Kind::INTEGER, 0, 0},
                                      {"storage_order", Kind::INTEGER, 0, 0},
                                      kAutoPad,
                                      kDilations,
                                      kKernelShape,
                                      kPads,
                                      kStrides};
constexpr AttributeRule kReduce[] = {{"keepdims", Kind::INTEGER, 0, 1},
                                     {"noop_with_empty_axes", Kind::INTEGER, 0, 0}};
constexpr AttributeRule kReshape[] = {{"allowzero", Kind::INTEGER, 0, 1}};
constexpr AttributeRule kResize[] = {
    {"antialias", Kind::INTEGER, 0, 0},
    {"coordinate_transformation_mode", Kind::WORD, 0, 0, "asymmetric"},
    {"cubic_coeff_a", Kind::REAL, -1, 0},
    {"exclude_outside", Kind::INTEGER, 0, 0},
    {"extrapolation_value", Kind::REAL, 0, 0},
    {"keep_aspect_ratio_policy", Kind::WORD, 0, 0, "stretch"},
    {"mode", Kind::WORD, 0, 0, "nearest"},
    {"nearest_mode", Kind::WORD, 0, 0, "floor"}};
constexpr AttributeRule kSplit[] = {kAxis, {"num_outputs", Kind::INTEGER, 1, 64}};
constexpr AttributeRule kTranspose[] = {{"perm", Kind::INTEGERS, 0, 7}};
constexpr AttributeRule kOwn[] = {{"num_shell_points", Kind::INTEGER, 1, 64},
                                  {"delta", Kind::REAL, 0, 10},
                                  {"pe_sum", Kind::INTEGER, 0, 1},
                                  {"plugin_namespace", Kind::WORD, 0, 0, "same"},
                                  {"plugin_version", Kind::WORD, 0, 0, "1"}};

constexpr OperatorRule kOperators[] = {{"Add", {}, 2, 2},
                                       {"Cast", kCast, 1, 1},
                                       {"Clip", {}, 1, 3},
                                       {"Concat", kAxisOnly, 1, 64},
                                       {"Conv", kConv, 1, 3},
                                       {"DequantizeLinear", kAxisOnly, 2, 3},
                                       {"Div", {}, 2, 2},
                                       {"Expand", {}, 2, 2},
                                       {"Gather", kAxisOnly, 2, 2},
                                       {"Gelu", kGelu, 1, 1},
                                       {"Gemm", kGemm, 1, 3},
                                       {"GridSample", kGridSample, 2, 2},
                                       {"LayerNormalization", kLayerNormalization, 1, 3},
                                       {"MatMul", {}, 2, 2},
                                       {"MaxPool", kMaxPool, 1, 1},
                                       {"Mul", {}, 2, 2},
                                       {"QuantizeLinear", kAxisOnly, 2, 3},
                                       {"ReduceL2", kReduce, 1, 2},
                                       {"ReduceMax", kReduce, 1, 2},
                                       {"ReduceSum", kReduce, 1, 2},
                                       {"Relu", {}, 1, 1},
                                       {"Reshape", kReshape, 2, 2},
                                       {"Resize", kResize, 3, 4},
                                       {"Sigmoid", {}, 1, 1},
                                       {"Slice", {}, 3, 5},
                                       {"Softmax", kAxisOnly, 1, 1},
                                       {"Split", kSplit, 1, 2},
                                       {"Squeeze", {}, 2, 2},
                                       {"Sub", {}, 2, 2},
                                       {"Tanh", {}, 1, 1},
                                       {"Transpose", kTranspose, 1, 1},
                                       {"Unsqueeze", {}, 2, 2}};

int value_field(Kind kind) {
  switch (kind) {
    case Kind::REAL:
      return attribute::F;
    case Kind::INTEGER:
      return attribute::I;
    case Kind::WORD:
      return attribute::S;
    default:
      return attribute::INTS;
  }
}

[[noreturn]] void refuse(const AttributeRule& rule, const char* why) {
  throw Refused("attribute " + std::string(rule.name) + " " + why);
}

void check_attribute(const Message& given, const AttributeRule& rule) {
  const int held = value_field(rule.kind);
  if (given.integer(attribute::TYPE).value_or(0) != static_cast<int>(rule.kind) ||
      std::any_of(given.fields.begin(), given.fields.end(), [&](const Field& field) {
        return field.number != attribute::NAME && field.number != attribute::TYPE &&
               field.number != held;
      }))
    refuse(rule, "has another type than it may have");
  const auto values = given.all(held);
  if (values.empty()) refuse(rule, "has no value");
  if (values.size() > kMostItems) refuse(rule, "is too long");
  for (const Field& value : values) {
    // Bounds of integers are small: as doubles they are exact.
    const double number =
        rule.kind == Kind::REAL ? double{value.real} : static_cast<double>(value.integer);
    if (rule.kind == Kind::WORD ? value.bytes != rule.word
                                : !(rule.low <= number && number <= rule.high))
      refuse(rule, "is out of its range");
  }
}

}  // namespace

const OperatorRule* find_operator(std::string_view name) {
  const auto found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&](const OperatorRule& rule) { return rule.name == name; });
  return found == std::end(kOperators) ? nullptr : found;
}

std::span<const AttributeRule> own_operator_rules() { return kOwn; }

bool must_be_constant(std::string_view operator_name, size_t input) {
  if (operator_name == "Resize") return input >= 1 && input <= 3;
  if (operator_name == "Slice") return input >= 1 && input <= 4;
  constexpr std::string_view kSecond[] = {"Expand",    "Reshape",  "Split",     "Squeeze",
                                          "Unsqueeze", "ReduceL2", "ReduceMax", "ReduceSum"};
  return input == 1 &&
         std::find(std::begin(kSecond), std::end(kSecond), operator_name) != std::end(kSecond);
}

Integers check_attributes(const Message& node, std::span<const AttributeRule> rules) {
  std::set<std::string_view> names;
  Integers integers;
  for (const Field& field : node.all(node::ATTRIBUTE)) {
    const std::string_view name = field.message.text(attribute::NAME);
    const auto rule = std::find_if(rules.begin(), rules.end(),
                                   [&](const AttributeRule& known) { return known.name == name; });
    if (rule == rules.end() || !names.insert(name).second)
      throw Refused("operator " + std::string(node.text(node::OP_TYPE)) + " with an attribute '" +
                    std::string(name) + "' that is not known or comes twice");
    check_attribute(field.message, *rule);
    if (rule->kind == Kind::INTEGER || rule->kind == Kind::INTEGERS)
      for (const Field& value : field.message.all(value_field(rule->kind)))
        integers[name].push_back(value.integer);
  }
  return integers;
}

}  // namespace same::onnx
