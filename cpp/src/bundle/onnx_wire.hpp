// ONNX's protobuf messages, read in the one way that protobuf itself writes them, as
// same_engines/bundle/onnx_wire.py does: no over-long numbers, no field twice or out of order, no
// unknown field, texts of printable ASCII only. What is passed means the same to every reader.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace same::onnx {

// Not a graph of this project's; the text says why.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Field numbers: onnx.proto3.
namespace model {
enum { IR_VERSION = 1, GRAPH = 7, OPSET_IMPORT = 8, FUNCTIONS = 25 };
}
namespace opset {
enum { DOMAIN_NAME = 1, VERSION = 2 };
}
namespace graph {
enum { NODE = 1, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, VALUE_INFO = 13 };
}
namespace node {
enum { INPUT = 1, OUTPUT = 2, OP_TYPE = 4, ATTRIBUTE = 5, DOMAIN_NAME = 7 };
}
namespace attribute {
enum {
  NAME = 1,
  F = 2,
  I = 3,
  S = 4,
  T = 5,
  FLOATS = 7,
  INTS = 8,
  STRINGS = 9,
  TYPE = 20,
  REF = 21
};
}
namespace tensor {
enum {
  DIMS = 1,
  DATA_TYPE = 2,
  FLOAT_DATA = 4,
  INT32_DATA = 5,
  INT64_DATA = 7,
  NAME = 8,
  RAW_DATA = 9,
  DOC_STRING = 12,
  EXTERNAL_DATA = 13,
  LOCATION = 14
};
}
namespace function {
enum {
  NAME = 1,
  INPUT = 4,
  OUTPUT = 5,
  ATTRIBUTE = 6,
  NODE = 7,
  OPSET_IMPORT = 9,
  DOMAIN_NAME = 10,
  OVERLOAD = 13
};
}
namespace value {
enum { NAME = 1, TYPE = 2 };
}

struct Field;

// A message: its fields in order; those of one number lie side by side.
struct Message {
  std::vector<Field> fields;

  std::span<const Field> all(int number) const;
  const Field* find(int number) const;  // the first, or null
  bool has(int number) const { return find(number) != nullptr; }
  std::string_view text(int number) const;  // empty where there is none
  std::optional<int64_t> integer(int number) const;
};

// Texts and bytes point into what was read.
struct Field {
  int number = 0;
  float real = 0;
  int64_t integer = 0;
  std::string_view bytes;
  Message message;
};

// Throws Refused.
Message read_model(std::string_view content);
// A model's bytes up to its functions, which come last. Throws Refused.
std::string_view without_functions(std::string_view content);

struct ElementsAndShape {
  int64_t kind = 0;
  std::vector<int64_t> shape;
};
// Of a serialised TypeProto. Throws Refused.
ElementsAndShape read_tensor_type(std::string_view content);

// Of a packed field. Throw Refused.
std::vector<int64_t> packed_integers(std::string_view bytes);
std::vector<float> packed_floats(std::string_view bytes);

}  // namespace same::onnx
