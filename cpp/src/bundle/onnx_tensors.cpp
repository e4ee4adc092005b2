#include "bundle/onnx_tensors.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "bundle/manifest.hpp"
#include "bundle/onnx_operators.hpp"

namespace same::onnx {
namespace {

constexpr int64_t kMostTyped = 64;
constexpr int64_t kLargestIndex = int64_t{1} << 31;
constexpr uint16_t kHalfExponent = 0x7c00;

int item_bytes(int64_t kind) {
  switch (kind) {
    case FLOAT:
    case INT32:
      return 4;
    case UINT8:
    case INT8:
      return 1;
    case INT64:
      return 8;
    case FLOAT16:
      return 2;
    default:
      return 0;
  }
}

[[noreturn]] void refuse(std::string_view name, const char* why) {
  throw Refused("tensor '" + std::string(name) + "' " + why);
}

TensorType checked(std::string_view name, int64_t kind, Shape shape) {
  if (item_bytes(kind) == 0) refuse(name, "is of an element type that no bundle needs");
  if (shape.size() > kMostDimensions ||
      std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 1; }))
    refuse(name, "has no static shape");
  if (bounded_product(shape, kMostElements) > kMostElements)
    refuse(name, "has more elements than any tensor may");
  return {static_cast<int>(kind), std::move(shape)};
}

bool is_index(int64_t number) {
  // The ends are what exporters write for 'to the end' of a slice.
  return (number >= -kLargestIndex && number <= kLargestIndex) ||
         number == std::numeric_limits<int64_t>::min() ||
         number == std::numeric_limits<int64_t>::max();
}

bool is_finite_half(uint16_t bits) { return (bits & kHalfExponent) != kHalfExponent; }

template <typename T, typename Judge>
bool all_of_raw(std::string_view raw, Judge judge) {
  for (size_t at = 0; at < raw.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, raw.data() + at, sizeof value);
    if (!judge(value)) return false;
  }
  return true;
}

// Both for little-endian processors, as everything that runs ONNX takes for granted.
void check_raw(std::string_view name, const TensorType& type, std::string_view raw) {
  if (raw.size() != static_cast<size_t>(type.elements() * item_bytes(type.kind)))
    refuse(name, "has another size than its shape says");
  if ((type.kind == FLOAT && !all_of_raw<float>(raw, [](float x) { return std::isfinite(x); })) ||
      (type.kind == FLOAT16 && !all_of_raw<uint16_t>(raw, is_finite_half)))
    refuse(name, "holds values that are not finite");
  if (type.kind == INT64 && !all_of_raw<int64_t>(raw, is_index))
    refuse(name, "holds numbers that no index or size can be");
}

void check_typed(std::string_view name, const TensorType& type, const Field& data) {
  size_t count = 0;
  const auto refuse_unless = [&](bool fits) {
    if (!fits) refuse(name, "holds values that are not finite or out of their type's range");
  };
  if (type.kind == FLOAT) {
    const auto values = packed_floats(data.bytes);
    count = values.size();
    refuse_unless(
        std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); }));
  } else {
    const auto values = packed_integers(data.bytes);
    count = values.size();
    refuse_unless(std::all_of(values.begin(), values.end(), [&](int64_t x) {
      switch (type.kind) {
        case INT64:
          return is_index(x);
        case INT32:
          return x == static_cast<int32_t>(x);
        case INT8:
          return x == static_cast<int8_t>(x);
        case UINT8:
          return x == static_cast<uint8_t>(x);
        default:
          return x == static_cast<uint16_t>(x) && is_finite_half(static_cast<uint16_t>(x));
      }
    }));
  }
  if (count != static_cast<size_t>(type.elements()))
    refuse(name, "has another number of elements than its shape says");
}

}  // namespace

int64_t TensorType::elements() const { return bounded_product(shape, kMostElements); }

int64_t TensorType::bytes() const { return elements() * std::max(4, item_bytes(kind)); }

TensorTypes declared_types(std::span<const Field> values) {
  TensorTypes found;
  for (const Field& field : values) {
    const std::string_view name = field.message.text(value::NAME);
    ElementsAndShape read = read_tensor_type(field.message.text(value::TYPE));
    const TensorType type = checked(name, read.kind, std::move(read.shape));
    if (name.empty() || found.try_emplace(name, type).first->second != type)
      refuse(name, "is declared twice");
  }
  return found;
}

TensorType constant_type(const Message& tensor) {
  const std::string_view name = tensor.text(tensor::NAME);
  if (tensor.has(tensor::EXTERNAL_DATA) || tensor.integer(tensor::LOCATION).value_or(0) != 0)
    refuse(name, "keeps its data in another file; a bundle's graphs must hold their weights");
  Shape shape;
  for (const Field& side : tensor.all(tensor::DIMS)) shape.push_back(side.integer);
  const TensorType type =
      checked(name, tensor.integer(tensor::DATA_TYPE).value_or(0), std::move(shape));
  const int typed = type.kind == FLOAT   ? tensor::FLOAT_DATA
                    : type.kind == INT64 ? tensor::INT64_DATA
                                         : tensor::INT32_DATA;
  const Field* data = nullptr;
  for (const int number :
       {tensor::FLOAT_DATA, tensor::INT32_DATA, tensor::INT64_DATA, tensor::RAW_DATA}) {
    const Field* found = tensor.find(number);
    if (found == nullptr) continue;
    const bool may_hold =
        number == tensor::RAW_DATA || (number == typed && type.elements() <= kMostTyped);
    if (data != nullptr || !may_hold) refuse(name, "does not hold its data as raw bytes");
    data = found;
  }
  if (data == nullptr) refuse(name, "holds no data");
  if (data->number == tensor::RAW_DATA) {
    check_raw(name, type, data->bytes);
  } else {
    check_typed(name, type, *data);
  }
  return type;
}

}  // namespace same::onnx
