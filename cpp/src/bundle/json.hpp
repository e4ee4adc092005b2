// JSON from files that others wrote, read so that it means the same to every reader:
// same_engines/json_values.py has the rules (parse_strict_json) and judges alike.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace same {

struct JsonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct JsonValue {
  enum class Kind { NOTHING, FLAG, INTEGER, REAL, TEXT, LIST, OBJECT };
  Kind kind = Kind::NOTHING;
  bool flag = false;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<JsonValue> items;    // of a list or an object
  std::vector<std::string> names;  // of an object's items, in the file's order

  static JsonValue of(Kind kind) {
    JsonValue value;
    value.kind = kind;
    return value;
  }
  bool is(Kind other) const { return kind == other; }
  // Of an object; null where it has no such name.
  const JsonValue* find(std::string_view name) const;
};

// In a word or two, for errors.
const char* kind_name(JsonValue::Kind kind);

// UTF-8 without a byte order mark, no NaN or infinity, no name twice in an object, integers of 64
// bits, no lone surrogates, bounded depth and number of values. Throws JsonError.
JsonValue parse_strict_json(std::string_view text);

// As Python's json.dumps(content, sort_keys=True, separators=(",", ":")) writes it.
std::string canonical_json(const JsonValue& value);

// As Python's repr writes a finite number.
std::string python_float(double value);
// As Python's json.dumps writes a text that is valid UTF-8, with its quotes.
std::string python_json_text(std::string_view text);

}  // namespace same
