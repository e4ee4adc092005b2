#include "bundle/onnx_fit.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "bundle/manifest.hpp"

namespace same::onnx {
namespace {

using Shapes = std::span<const Shape* const>;

bool is_among(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const std::vector<int64_t>* find(const Integers& attributes, std::string_view name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? nullptr : &found->second;
}

int64_t first_or(const Integers& attributes, std::string_view name, int64_t otherwise) {
  const auto* found = find(attributes, name);
  return found == nullptr ? otherwise : found->front();
}

// Whether `parts` one after the other along `axis` are `whole`.
bool joins(const Shape& whole, Shapes parts, int64_t axis) {
  const auto rank = static_cast<int64_t>(whole.size());
  if (rank == 0) return false;
  const int64_t along = (axis % rank + rank) % rank;
  int64_t sum = 0;
  for (const Shape* part : parts) {
    if (part->size() != whole.size()) return false;
    for (int64_t i = 0; i < rank; ++i)
      if (i != along && (*part)[i] != whole[i]) return false;
    sum += (*part)[along];
  }
  return sum == whole[along];
}

bool transposes(const Integers& attributes, const Shape& first, const Shape& out) {
  std::vector<int64_t> turned(first.size());
  std::iota(turned.rbegin(), turned.rend(), int64_t{0});
  if (const auto* perm = find(attributes, "perm")) turned = *perm;
  std::vector<int64_t> sorted = turned, every(first.size());
  std::sort(sorted.begin(), sorted.end());
  std::iota(every.begin(), every.end(), int64_t{0});
  if (sorted != every || out.size() != first.size()) return false;
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] != first[turned[i]]) return false;
  return true;
}

bool broadcasts(Shapes shapes, const Shape& out) {
  size_t rank = 0;
  for (const Shape* shape : shapes) rank = std::max(rank, shape->size());
  if (out.size() != rank) return false;
  for (size_t i = 0; i < rank; ++i) {
    int64_t largest = 1;
    for (const Shape* shape : shapes) {
      const size_t missing = rank - shape->size();
      const int64_t size = i < missing ? 1 : (*shape)[i - missing];
      if (size != 1 && size != out[i]) return false;
      largest = std::max(largest, size);
    }
    if (largest != out[i]) return false;
  }
  return true;
}

bool window_fits(std::string_view name, const Integers& attributes, Shapes given) {
  if (!is_among(name, {"Conv", "MaxPool"})) return true;
  const Shape& first = *given[0];
  if (first.size() < 3) return false;
  const size_t spatial = first.size() - 2;
  for (const char* lengths : {"kernel_shape", "strides", "dilations", "pads"}) {
    const auto* found = find(attributes, lengths);
    const size_t times = std::string_view(lengths) == "pads" ? 2 : 1;
    if (found != nullptr && found->size() != times * spatial) return false;
  }
  const auto* kernel = find(attributes, "kernel_shape");
  if (name == "MaxPool") return kernel != nullptr;
  if (given.size() < 2 || given[1]->size() != first.size()) return false;
  const Shape& weights = *given[1];
  const int64_t groups = first_or(attributes, "group", 1);
  const Shape kernel_of_weights(weights.begin() + 2, weights.end());
  const bool bias_fits = given.size() == 2 || (given.size() == 3 && *given[2] == Shape{weights[0]});
  return first[1] == weights[1] * groups && weights[0] % groups == 0 &&
         (kernel == nullptr || *kernel == kernel_of_weights) && bias_fits;
}

bool fits(std::string_view name, const Integers& attributes, Shapes given, Shapes written) {
  const Shape &first = *given[0], &out = *written[0];
  const int64_t axis =
      first_or(attributes, "axis", is_among(name, {"LayerNormalization", "Softmax"}) ? -1 : 0);
  const auto rank = static_cast<int64_t>(first.size());
  if (find(attributes, "axis") != nullptr && rank > 0 && (axis < -rank || axis >= rank))
    return false;
  if (name == "Split") {
    const auto parts = static_cast<int64_t>(written.size());
    return first_or(attributes, "num_outputs", parts) == parts && joins(first, written, axis);
  }
  if (name == "Concat") return joins(out, given, axis);
  if (name == "Transpose") return transposes(attributes, first, out);
  if (is_among(name, {"Add", "Div", "Mul", "Sub"})) return broadcasts(given, out);
  if (name == "Expand") return broadcasts(std::vector<const Shape*>{&first, &out}, out);
  if (is_among(name, {"Cast", "Clip", "DequantizeLinear", "Gelu", "LayerNormalization",
                      "QuantizeLinear", "Relu", "Sigmoid", "Softmax", "Tanh"}))
    return first == out;
  if (is_among(name, {"Reshape", "Squeeze", "Unsqueeze"}))
    return bounded_product(first, kMostElements) == bounded_product(out, kMostElements);
  if (is_among(name, {"Conv", "MaxPool", "Resize", "Slice", "GridSample"}))
    return first.size() == out.size() && window_fits(name, attributes, given);
  return true;
}

}  // namespace

void check_fit(const OperatorRule& rule, const Integers& attributes, Shapes read, Shapes written) {
  const std::string name(rule.name);
  const auto count = static_cast<int>(read.size());
  if (count < rule.fewest_inputs || count > rule.most_inputs)
    throw Refused(name + " of " + std::to_string(count) + " inputs");
  std::vector<const Shape*> given;
  for (size_t i = 0; i < read.size(); ++i) {
    // Only the region of interest may be left out, which resizing does not need.
    if (read[i] == nullptr && !(name == "Resize" && i == 1))
      throw Refused(name + " without one of its inputs");
    if (read[i] != nullptr) given.push_back(read[i]);
  }
  if (name != "Split" && written.size() != 1)
    throw Refused(name + " of " + std::to_string(written.size()) + " outputs");
  if (!fits(rule.name, attributes, given, written))
    throw Refused(name + ": shapes and attributes do not fit together");
}

}  // namespace same::onnx
