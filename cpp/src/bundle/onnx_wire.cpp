#include "bundle/onnx_wire.hpp"

#include <algorithm>
#include <bit>

namespace same::onnx {
namespace {

constexpr size_t kLongestText = 512;
// More than any graph has that keeps the bounds on nodes and tensors.
constexpr size_t kMostFields = size_t{1} << 20;

enum class Kind : uint8_t { INT, FLOAT, TEXT, BYTES, MESSAGE };
enum class Type : uint8_t {
  MODEL,
  OPSET,
  GRAPH,
  NODE,
  ATTRIBUTE,
  TENSOR,
  FUNCTION,
  VALUE,
  TYPE,
  TENSOR_TYPE,
  SHAPE,
  DIM,
  NONE
};

struct Rule {
  uint8_t number;
  Kind kind;
  bool repeated = false;
  Type type = Type::NONE;
};

constexpr bool kRepeated = true;

// What is missing here is refused.
constexpr Rule kModel[] = {{1, Kind::INT},
                           {2, Kind::TEXT},
                           {3, Kind::TEXT},
                           {4, Kind::TEXT},
                           {5, Kind::INT},
                           {6, Kind::TEXT},
                           {7, Kind::MESSAGE, false, Type::GRAPH},
                           {8, Kind::MESSAGE, kRepeated, Type::OPSET},
                           {25, Kind::MESSAGE, kRepeated, Type::FUNCTION}};
constexpr Rule kOpset[] = {{1, Kind::TEXT}, {2, Kind::INT}};
constexpr Rule kGraph[] = {
    {1, Kind::MESSAGE, kRepeated, Type::NODE},   {2, Kind::TEXT},
    {5, Kind::MESSAGE, kRepeated, Type::TENSOR}, {10, Kind::TEXT},
    {11, Kind::MESSAGE, kRepeated, Type::VALUE}, {12, Kind::MESSAGE, kRepeated, Type::VALUE},
    {13, Kind::MESSAGE, kRepeated, Type::VALUE}};
constexpr Rule kNode[] = {{1, Kind::TEXT, kRepeated},
                          {2, Kind::TEXT, kRepeated},
                          {3, Kind::TEXT},
                          {4, Kind::TEXT},
                          {5, Kind::MESSAGE, kRepeated, Type::ATTRIBUTE},
                          {6, Kind::TEXT},
                          {7, Kind::TEXT}};
constexpr Rule kAttribute[] = {{1, Kind::TEXT},
                               {2, Kind::FLOAT},
                               {3, Kind::INT},
                               {4, Kind::TEXT},
                               {5, Kind::MESSAGE, false, Type::TENSOR},
                               {7, Kind::FLOAT, kRepeated},
                               {8, Kind::INT, kRepeated},
                               {9, Kind::TEXT, kRepeated},
                               {13, Kind::TEXT},
                               {20, Kind::INT},
                               {21, Kind::TEXT}};
constexpr Rule kTensor[] = {{1, Kind::INT, kRepeated},
                            {2, Kind::INT},
                            {4, Kind::BYTES},
                            {5, Kind::BYTES},
                            {7, Kind::BYTES},
                            {8, Kind::TEXT},
                            {9, Kind::BYTES},
                            {12, Kind::TEXT},
                            {13, Kind::BYTES, kRepeated},
                            {14, Kind::INT}};
constexpr Rule kFunction[] = {{1, Kind::TEXT},
                              {4, Kind::TEXT, kRepeated},
                              {5, Kind::TEXT, kRepeated},
                              {6, Kind::TEXT, kRepeated},
                              {7, Kind::MESSAGE, kRepeated, Type::NODE},
                              {8, Kind::TEXT},
                              {9, Kind::MESSAGE, kRepeated, Type::OPSET},
                              {10, Kind::TEXT},
                              {13, Kind::TEXT}};
constexpr Rule kValue[] = {{1, Kind::TEXT}, {2, Kind::BYTES}};
constexpr Rule kType[] = {{1, Kind::MESSAGE, false, Type::TENSOR_TYPE}};
constexpr Rule kTensorType[] = {{1, Kind::INT}, {2, Kind::MESSAGE, false, Type::SHAPE}};
constexpr Rule kShape[] = {{1, Kind::MESSAGE, kRepeated, Type::DIM}};
constexpr Rule kDim[] = {{1, Kind::INT}};
constexpr std::span<const Rule> kRules[] = {kModel,     kOpset,      kGraph,    kNode,
                                            kAttribute, kTensor,     kFunction, kValue,
                                            kType,      kTensorType, kShape,    kDim};

constexpr uint64_t tag_of(const Rule& rule) {
  const int wire = rule.kind == Kind::INT ? 0 : rule.kind == Kind::FLOAT ? 5 : 2;
  return uint64_t{rule.number} << 3 | static_cast<uint64_t>(wire);
}

uint64_t read_number(std::string_view& rest) {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (rest.empty()) throw Refused("truncated");
    const auto byte = static_cast<uint8_t>(rest.front());
    rest.remove_prefix(1);
    // Parsers read over-long numbers as the same number, or cut what is beyond 64 bits.
    if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) break;
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  throw Refused("a number that is not written in the one canonical way");
}

std::string_view take(std::string_view& rest, uint64_t size) {
  if (size > rest.size()) throw Refused("truncated");
  const std::string_view taken = rest.substr(0, size);
  rest.remove_prefix(size);
  return taken;
}

float read_float(std::string_view bytes) {
  uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits |= uint32_t{static_cast<uint8_t>(bytes[i])} << 8 * i;
  return std::bit_cast<float>(bits);
}

void check_text(std::string_view text) {
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (text.size() > kLongestText || !std::all_of(text.begin(), text.end(), printable))
    throw Refused("a text of other than up to 512 printable ASCII characters");
}

// Messages nest no deeper than the rules do.
Message read_message(std::string_view rest, Type type, size_t& count) {
  const std::span<const Rule> rules = kRules[static_cast<size_t>(type)];
  Message message;
  uint64_t last = 0;
  while (!rest.empty()) {
    const uint64_t tag = read_number(rest);
    const auto rule = std::find_if(rules.begin(), rules.end(),
                                   [&](const Rule& known) { return tag_of(known) == tag; });
    if (rule == rules.end())
      throw Refused("field " + std::to_string(tag >> 3) + " of wire type " +
                    std::to_string(tag & 7) + " is unknown");
    if (tag < last || (tag == last && !rule->repeated))
      throw Refused("field " + std::to_string(tag >> 3) + " comes twice or out of order");
    last = tag;
    if (++count > kMostFields) throw Refused("it has more fields than any graph of a bundle");
    Field& field = message.fields.emplace_back();
    field.number = rule->number;
    if (rule->kind == Kind::INT) {
      field.integer = static_cast<int64_t>(read_number(rest));
    } else if (rule->kind == Kind::FLOAT) {
      field.real = read_float(take(rest, 4));
    } else {
      field.bytes = take(rest, read_number(rest));
      if (rule->kind == Kind::TEXT) check_text(field.bytes);
      if (rule->kind == Kind::MESSAGE) field.message = read_message(field.bytes, rule->type, count);
    }
  }
  return message;
}

}  // namespace

std::span<const Field> Message::all(int number) const {
  const auto [first, last] = std::equal_range(
      fields.begin(), fields.end(), Field{.number = number, .bytes = {}, .message = {}},
      [](const Field& a, const Field& b) { return a.number < b.number; });
  return {first, last};
}

const Field* Message::find(int number) const {
  const auto found = all(number);
  return found.empty() ? nullptr : &found.front();
}

std::string_view Message::text(int number) const {
  const Field* found = find(number);
  return found == nullptr ? std::string_view() : found->bytes;
}

std::optional<int64_t> Message::integer(int number) const {
  const Field* found = find(number);
  return found == nullptr ? std::nullopt : std::optional<int64_t>(found->integer);
}

std::string_view without_functions(std::string_view content) {
  std::string_view rest = content;
  while (!rest.empty()) {
    const size_t start = content.size() - rest.size();
    const uint64_t tag = read_number(rest);
    if (tag >> 3 == model::FUNCTIONS) return content.substr(0, start);
    const uint64_t value = read_number(rest);
    if ((tag & 7) == 2) take(rest, value);
  }
  return content;
}

Message read_model(std::string_view content) {
  size_t count = 0;
  return read_message(content, Type::MODEL, count);
}

ElementsAndShape read_tensor_type(std::string_view content) {
  constexpr int kTensorTypeField = 1, kElementType = 1, kShapeField = 2, kDims = 1, kLength = 1;
  size_t count = 0;
  const Message type = read_message(content, Type::TYPE, count);
  const Field* tensor = type.find(kTensorTypeField);
  const Field* shape = tensor == nullptr ? nullptr : tensor->message.find(kShapeField);
  if (shape == nullptr || !tensor->message.has(kElementType))
    throw Refused("a tensor without a type or a shape");
  ElementsAndShape found{*tensor->message.integer(kElementType), {}};
  for (const Field& dim : shape->message.all(kDims))
    found.shape.push_back(dim.message.integer(kLength).value_or(-1));
  return found;
}

std::vector<int64_t> packed_integers(std::string_view bytes) {
  std::vector<int64_t> numbers;
  while (!bytes.empty()) numbers.push_back(static_cast<int64_t>(read_number(bytes)));
  return numbers;
}

std::vector<float> packed_floats(std::string_view bytes) {
  if (bytes.size() % 4 != 0) throw Refused("float_data: truncated");
  std::vector<float> numbers;
  for (size_t at = 0; at < bytes.size(); at += 4)
    numbers.push_back(read_float(bytes.substr(at, 4)));
  return numbers;
}

}  // namespace same::onnx
