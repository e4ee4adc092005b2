#include "bundle/json.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>

#include "nlohmann/json.hpp"

namespace same {
namespace {

constexpr size_t kMostDepth = 64;
constexpr size_t kMostValues = 100'000;
constexpr size_t kLongestPlace = 120;
constexpr int kOutOfRange = 406;  // nlohmann's number of that error

bool is_plain_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Takes what nlohmann's parser finds and keeps how integers were written.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonValue take() { return std::move(root_); }

  bool null() override { return put({}); }
  bool boolean(bool flag) override {
    JsonValue value = JsonValue::of(JsonValue::Kind::FLAG);
    value.flag = flag;
    return put(std::move(value));
  }
  bool number_integer(int64_t number) override {
    JsonValue value = JsonValue::of(JsonValue::Kind::INTEGER);
    value.integer = number;
    return put(std::move(value));
  }
  bool number_unsigned(uint64_t number) override {
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      refuse("an integer beyond 64 bits");
    return number_integer(static_cast<int64_t>(number));
  }
  bool number_float(double number, const std::string& written) override {
    if (written.find_first_of(".eE") == std::string::npos) refuse("an integer beyond 64 bits");
    JsonValue value = JsonValue::of(JsonValue::Kind::REAL);
    value.real = number;
    return put(std::move(value));
  }
  bool string(std::string& text) override {
    JsonValue value = JsonValue::of(JsonValue::Kind::TEXT);
    value.text = std::move(text);
    return put(std::move(value));
  }
  bool binary(nlohmann::json::binary_t&) override { throw JsonError("binary data"); }
  bool start_object(size_t) override { return open(JsonValue::Kind::OBJECT); }
  bool key(std::string& name) override {
    open_.back()->names.push_back(std::move(name));
    return true;
  }
  bool end_object() override {
    auto names = open_.back()->names;
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end()) refuse("a name twice in an object");
    return close();
  }
  bool start_array(size_t) override { return open(JsonValue::Kind::LIST); }
  bool end_array() override { return close(); }
  bool parse_error(size_t at, const std::string&,
                   const nlohmann::detail::exception& error) override {
    if (error.id == kOutOfRange) refuse("a number beyond any float");
    throw JsonError("damaged at byte " + std::to_string(at));
  }

 private:
  bool put(JsonValue value) {
    if (++count_ > kMostValues) refuse("more values than any has");
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      open_.back()->items.push_back(std::move(value));
    }
    return true;
  }
  bool open(JsonValue::Kind kind) {
    if (open_.size() == kMostDepth) refuse("nested too deep");
    put(JsonValue::of(kind));
    // While a container is open, its holder's items do not grow: its address stays.
    open_.push_back(open_.empty() ? &root_ : &open_.back()->items.back());
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  [[noreturn]] void refuse(const char* why) const {
    std::string place;
    for (const JsonValue* holder : open_) {
      const bool has_name = holder->is(JsonValue::Kind::OBJECT) && !holder->names.empty();
      const bool is_plain = has_name && std::all_of(holder->names.back().begin(),
                                                    holder->names.back().end(), is_plain_letter);
      if (has_name) place += "." + (is_plain ? holder->names.back() : std::string("?"));
    }
    if (place.size() > 1) throw JsonError(place.substr(1, kLongestPlace) + ": " + why);
    throw JsonError(why);
  }

  JsonValue root_;
  std::vector<JsonValue*> open_;
  size_t count_ = 0;
};

// The code point at `at`, which moves past it.
uint32_t next_code_point(std::string_view text, size_t& at) {
  const auto first = static_cast<uint8_t>(text[at++]);
  const int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  uint32_t code = more == 0 ? first : first & (0x3f >> more);
  for (int i = 0; i < more; ++i) code = code << 6 | (static_cast<uint8_t>(text[at++]) & 0x3f);
  return code;
}

void add_escape(std::string& out, uint32_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[unit >> shift & 15];
}

void write(std::string& out, const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::NOTHING:
      out += "null";
      break;
    case JsonValue::Kind::FLAG:
      out += value.flag ? "true" : "false";
      break;
    case JsonValue::Kind::INTEGER:
      out += std::to_string(value.integer);
      break;
    case JsonValue::Kind::REAL:
      out += python_float(value.real);
      break;
    case JsonValue::Kind::TEXT:
      out += python_json_text(value.text);
      break;
    case JsonValue::Kind::LIST:
      out += '[';
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) out += ',';
        write(out, value.items[i]);
      }
      out += ']';
      break;
    case JsonValue::Kind::OBJECT: {
      std::vector<size_t> order(value.names.size());
      std::iota(order.begin(), order.end(), size_t{0});
      // UTF-8's bytes sort as the code points do.
      std::sort(order.begin(), order.end(),
                [&](size_t a, size_t b) { return value.names[a] < value.names[b]; });
      out += '{';
      for (size_t i = 0; i < order.size(); ++i) {
        if (i > 0) out += ',';
        out += python_json_text(value.names[order[i]]) + ':';
        write(out, value.items[order[i]]);
      }
      out += '}';
    }
  }
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? nullptr : &items[found - names.begin()];
}

const char* kind_name(JsonValue::Kind kind) {
  constexpr const char* kNames[] = {"null", "a flag", "an integer", "a number",
                                    "text", "a list", "an object"};
  return kNames[static_cast<int>(kind)];
}

JsonValue parse_strict_json(std::string_view text) {
  // nlohmann's lexer skips a byte order mark and takes NUL for the end.
  if (text.starts_with("\xef\xbb\xbf")) throw JsonError("begins with a byte order mark");
  if (text.find('\0') != std::string_view::npos) throw JsonError("holds a NUL");
  Builder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) throw JsonError("damaged");
  return builder.take();
}

std::string canonical_json(const JsonValue& value) {
  std::string out;
  write(out, value);
  return out;
}

std::string python_float(double value) {
  char digits[32];
  const auto end =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::scientific);
  const std::string_view written(digits, end.ptr - digits);
  const size_t e = written.find('e');
  int exponent = 0;
  const size_t sign = written[e + 1] == '+' ? 1 : 0;
  std::from_chars(written.data() + e + 1 + sign, end.ptr, exponent);
  std::string mantissa(written.substr(0, e));
  if (exponent < -4 || exponent >= 16) {
    const int size = std::abs(exponent);
    return mantissa + (exponent < 0 ? "e-" : "e+") + (size < 10 ? "0" : "") + std::to_string(size);
  }
  std::string out = mantissa[0] == '-' ? "-" : "";
  std::erase(mantissa, '-');
  std::erase(mantissa, '.');
  if (exponent < 0) return out + "0." + std::string(-exponent - 1, '0') + mantissa;
  const size_t whole = exponent + 1;
  if (mantissa.size() <= whole)
    return out + mantissa + std::string(whole - mantissa.size(), '0') + ".0";
  return out + mantissa.substr(0, whole) + '.' + mantissa.substr(whole);
}

std::string python_json_text(std::string_view text) {
  std::string out = "\"";
  for (size_t at = 0; at < text.size();) {
    const uint32_t code = next_code_point(text, at);
    constexpr std::string_view kPlain = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
    const size_t escape = code < 0x80 ? kPlain.find(static_cast<char>(code)) : kPlain.npos;
    if (escape != kPlain.npos) {
      out += '\\';
      out += kLetters[escape];
    } else if (code >= 0x20 && code < 0x7f) {
      out += static_cast<char>(code);
    } else if (code < 0x10000) {
      add_escape(out, code);
    } else {
      add_escape(out, 0xd800 + ((code - 0x10000) >> 10));
      add_escape(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
  }
  return out + '"';
}

}  // namespace same
