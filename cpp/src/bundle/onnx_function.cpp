#include "bundle/onnx_function.hpp"

#include <algorithm>
#include <map>

#include "bundle/json.hpp"
#include "bundle/onnx_operators.hpp"
#include "bundle/sha256.hpp"

namespace same::onnx {
namespace {

constexpr size_t kMostNodes = 256;
// Of every form of the operator that an exporter has written; same_engines/bundle/onnx_function.py
// has the same two.
constexpr std::string_view kFingerprints[] = {
    "a8622b96046a9a616abfca3d6e8260e868175f60361d905cea0fce5583fc0aeb",
    "fb6357043933b31d46a8cee3323a8e52a45bd3e1adee01825a325269cc3db39c"};

using Numbers = std::map<std::string_view, int>;

// What follows is written as Python's json.dumps writes it, since the fingerprints are of that.

template <typename Items, typename Write>
std::string json_list(const Items& items, Write write) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + write(item);
  return out + "]";
}

std::string json_number(int64_t number) { return std::to_string(number); }

std::string json_text_or_null(const Message& message, int number) {
  return message.has(number) ? python_json_text(message.text(number)) : "null";
}

std::string json_int_or_null(const Message& message, int number) {
  const auto found = message.integer(number);
  return found ? json_number(*found) : "null";
}

std::string json_hex(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out + '"';
}

// A tensor, with or without a name: its fields by name.
std::string json_tensor(const Message& tensor) {
  if (tensor.has(tensor::EXTERNAL_DATA) || tensor.has(tensor::LOCATION))
    throw Refused("a tensor in a function keeps its data in another file");
  std::map<std::string, std::string> fields;
  std::vector<int64_t> dims;
  for (const Field& dim : tensor.all(tensor::DIMS)) dims.push_back(dim.integer);
  if (!dims.empty()) fields["dims"] = json_list(dims, json_number);
  for (const Field& field : tensor.fields) {
    switch (field.number) {
      case tensor::DATA_TYPE:
        fields["data_type"] = json_number(field.integer);
        break;
      case tensor::FLOAT_DATA:
        fields["float_data"] = json_list(packed_floats(field.bytes), python_float);
        break;
      case tensor::INT32_DATA:
        fields["int32_data"] = json_list(packed_integers(field.bytes), json_number);
        break;
      case tensor::INT64_DATA:
        fields["int64_data"] = json_list(packed_integers(field.bytes), json_number);
        break;
      case tensor::RAW_DATA:
        fields["raw_data"] = json_hex(field.bytes);
        break;
      default:
        break;  // its name and what it says of itself
    }
  }
  std::string out = "{";
  for (const auto& [name, written] : fields)
    out += (out.size() > 1 ? ", \"" : "\"") + name + "\": " + written;
  return out + "}";
}

std::string json_value(const Message& attribute, int64_t kind) {
  const auto repeated = [&](int number, auto write) -> std::string {
    const auto fields = attribute.all(number);
    return fields.empty() ? json_text_or_null(attribute, attribute::REF) : json_list(fields, write);
  };
  const auto single = [&](int number, auto write) -> std::string {
    const Field* field = attribute.find(number);
    return field == nullptr ? json_text_or_null(attribute, attribute::REF) : write(*field);
  };
  const auto real = [](const Field& field) { return python_float(field.real); };
  const auto integer = [](const Field& field) { return json_number(field.integer); };
  const auto text = [](const Field& field) { return python_json_text(field.bytes); };
  switch (static_cast<AttributeKind>(kind)) {
    case AttributeKind::REAL:
      return single(attribute::F, real);
    case AttributeKind::INTEGER:
      return single(attribute::I, integer);
    case AttributeKind::WORD:
      return single(attribute::S, text);
    case AttributeKind::TENSOR:
      return single(attribute::T, [](const Field& field) { return json_tensor(field.message); });
    case AttributeKind::REALS:
      return repeated(attribute::FLOATS, real);
    case AttributeKind::INTEGERS:
      return repeated(attribute::INTS, integer);
    case AttributeKind::WORDS:
      return repeated(attribute::STRINGS, text);
    default:
      return json_text_or_null(attribute, attribute::REF);
  }
}

std::string json_attributes(const Message& node) {
  std::vector<const Message*> attributes;
  for (const Field& field : node.all(node::ATTRIBUTE)) attributes.push_back(&field.message);
  std::stable_sort(attributes.begin(), attributes.end(), [](const Message* a, const Message* b) {
    return a->text(attribute::NAME) < b->text(attribute::NAME);
  });
  return json_list(attributes, [](const Message* attribute) {
    const int64_t kind = attribute->integer(attribute::TYPE).value_or(0);
    return std::string("[") + json_text_or_null(*attribute, attribute::NAME) + ", " +
           json_number(kind) + ", " + json_value(*attribute, kind) + "]";
  });
}

std::string json_names(std::span<const Field> names, const Numbers& numbers) {
  return json_list(names, [&](const Field& field) {
    const auto found = numbers.find(field.bytes);
    return json_number(found == numbers.end() ? -2 : found->second);
  });
}

std::string json_node(const Message& node, Numbers& numbers) {
  const std::string read = json_names(node.all(node::INPUT), numbers);
  for (const Field& name : node.all(node::OUTPUT)) {
    const auto next = static_cast<int>(numbers.size());
    numbers[name.bytes] = next;
  }
  return std::string("[") + python_json_text(node.text(node::DOMAIN_NAME)) + ", " +
         json_text_or_null(node, node::OP_TYPE) + ", " + read + ", " +
         json_names(node.all(node::OUTPUT), numbers) + ", " + json_attributes(node) + "]";
}

// SHA-256 of what it computes, whatever its tensors are called.
std::string fingerprint(const Message& function) {
  Numbers numbers{{"", -1}};
  for (const Field& name : function.all(function::INPUT))
    numbers.try_emplace(name.bytes, static_cast<int>(numbers.size()));
  const std::string nodes = json_list(function.all(function::NODE), [&](const Field& field) {
    return json_node(field.message, numbers);
  });
  const std::string opsets =
      json_list(function.all(function::OPSET_IMPORT), [](const Field& field) {
        return std::string("[") + python_json_text(field.message.text(opset::DOMAIN_NAME)) + ", " +
               json_int_or_null(field.message, opset::VERSION) + "]";
      });
  const auto given = function.all(function::ATTRIBUTE);
  const std::string attributes =
      given.empty() ? "null"
                    : json_list(given, [](const Field& f) { return python_json_text(f.bytes); });
  return sha256_hex("[" + attributes + ", " +
                    json_number(static_cast<int64_t>(function.all(function::INPUT).size())) + ", " +
                    json_names(function.all(function::OUTPUT), numbers) + ", " + opsets + ", " +
                    nodes + "]");
}

}  // namespace

void check_function(const Message& function) {
  if (function.text(function::DOMAIN_NAME) != kOperatorDomain ||
      function.text(function::NAME) != kOperatorName)
    throw Refused("the function '" + std::string(function.text(function::NAME)) +
                  "' is not a bundle's");
  const std::string found =
      function.all(function::NODE).size() > kMostNodes || function.has(function::OVERLOAD)
          ? ""
          : fingerprint(function);
  if (std::find(std::begin(kFingerprints), std::end(kFingerprints), found) ==
      std::end(kFingerprints))
    throw Refused("the function " + std::string(kOperatorName) +
                  " does not compute what this version's does");
}

}  // namespace same::onnx
