#include "bundle/manifest.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "bundle/json.hpp"
#include "bundle/sha256.hpp"
#include "same/body.hpp"

namespace same {
namespace {

using Kind = JsonValue::Kind;

// Of 2 are bundles whose network wants columns of unequal width, which readers of 1 do not know.
constexpr int64_t kFormatVersions[] = {1, 2, 3};
constexpr int64_t kWeightCopies = 3;
constexpr int64_t kMostToOpen = int64_t{420} << 20;
constexpr int64_t kMostSteps = int64_t{1} << 40;
constexpr int64_t kExact = int64_t{1} << 53;
constexpr double kLargestImageNumber = 1e3;

[[noreturn]] void refuse(const std::string& where, const std::string& why) {
  throw BundleError(where + ": " + why);
}

const JsonValue& expect(const JsonValue& value, Kind kind, const std::string& where) {
  if (!value.is(kind))
    refuse(where, std::string("expected ") + kind_name(kind) + ", got " + kind_name(value.kind));
  return value;
}

// An object with all of `needed`, some of `optional`, and nothing else.
void check_fields(const JsonValue& object, std::initializer_list<std::string_view> needed,
                  std::initializer_list<std::string_view> optional, const std::string& where) {
  expect(object, Kind::OBJECT, where);
  for (const std::string& name : object.names) {
    const auto among = [&](const auto& names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (!among(needed) && !among(optional))
      refuse(where, "unknown field " + python_json_text(name));
  }
  for (const std::string_view name : needed)
    if (object.find(name) == nullptr) refuse(where, "missing field " + std::string(name));
}

int64_t whole_number(const JsonValue& value, int64_t low, int64_t high, const std::string& where) {
  // A whole number may be written 640.0; the highest bounds are below 2^53.
  if (value.is(Kind::INTEGER) && value.integer >= low && value.integer <= high)
    return value.integer;
  if (value.is(Kind::REAL) && std::trunc(value.real) == value.real &&
      value.real >= static_cast<double>(low) && value.real <= static_cast<double>(high))
    return static_cast<int64_t>(value.real);
  refuse(where,
         "expected a whole number from " + std::to_string(low) + " to " + std::to_string(high));
}

double real_number(const JsonValue& value, double limit, const std::string& where) {
  const bool is_whole =
      value.is(Kind::INTEGER) && value.integer >= -kExact && value.integer <= kExact;
  const double number = is_whole ? static_cast<double>(value.integer) : value.real;
  if ((!is_whole && !value.is(Kind::REAL)) || !(std::abs(number) <= limit))
    refuse(where, "expected a finite number within +-" + std::to_string(limit));
  return number;
}

bool is_second(const JsonValue& value, const char* first, const char* second,
               const std::string& where) {
  if (value.is(Kind::TEXT) && value.text == second) return true;
  if (!value.is(Kind::TEXT) || value.text != first)
    refuse(where, std::string("expected ") + first + " or " + second);
  return false;
}

BundleConfig read_config(const JsonValue& content, const std::string& at) {
  const std::string where = at + ": config";
  expect(content, Kind::OBJECT, where);
  const auto field = [&](const char* name) -> const JsonValue& {
    const JsonValue* found = content.find(name);
    if (found == nullptr) refuse(where, std::string("missing field ") + name);
    return *found;
  };
  const auto whole = [&](const char* name, int low, int high) {
    return static_cast<int>(whole_number(field(name), low, high, where + "." + name));
  };
  BundleConfig config;
  config.input_width = whole("input_width", 8, 2048);
  config.input_height = whole("input_height", 8, 2048);
  config.window = whole("window", 2, 1024);
  config.feature_dim = whole("feature_dim", 1, 4096);
  config.inertial_blocks = whole("inertial_blocks", 1, 64);
  config.image_mean = real_number(field("image_mean"), kLargestImageNumber, where + ".image_mean");
  config.image_std = real_number(field("image_std"), kLargestImageNumber, where + ".image_std");
  if (config.image_std <= 0) refuse(where, "image_std: expected more than 0");
  if (is_second(field("depth_mode"), "range", "z", where + ".depth_mode"))
    config.depth_mode = DepthMode::Z;
  // Bundles from before there was a choice do not say what follows.
  const auto zoom = [&](const char* name) {
    const JsonValue* said = content.find(name);
    if (!said) return 1.0;
    const double value = real_number(*said, kLargestImageNumber, where + "." + name);
    if (!is_zoom(value)) refuse(where, std::string(name) + ": expected 1 to 4");
    return value;
  };
  config.zoom = {zoom("column_zoom"), zoom("row_zoom")};
  if (const JsonValue* frame = content.find("pose_frame"))
    config.reads_upright = is_second(*frame, "camera", "upright", where + ".pose_frame");
  if (const JsonValue* filter = content.find("use_imu_filter"))
    config.uses_imu_filter = expect(*filter, Kind::FLAG, where + ".use_imu_filter").flag;
  if (const JsonValue* straps = content.find("use_leg_straps"))
    config.reads_straps = expect(*straps, Kind::FLAG, where + ".use_leg_straps").flag;
  return config;
}

TensorSpec read_tensor(const JsonValue& content, const std::string& where) {
  check_fields(content, {"name", "shape", "dtype"}, {}, where);
  TensorSpec tensor;
  tensor.name = expect(*content.find("name"), Kind::TEXT, where + ".name").text;
  for (const JsonValue& side : expect(*content.find("shape"), Kind::LIST, where + ".shape").items) {
    if (!side.is(Kind::INTEGER) || side.integer <= 0)
      refuse(where, "shape: expected positive integers");
    tensor.shape.push_back(side.integer);
  }
  if (tensor.shape.size() > kMostDimensions ||
      bounded_product(tensor.shape, kMostElements) > kMostElements)
    refuse(where, "shape: larger than any tensor may be");
  const bool is_half = is_second(*content.find("dtype"), "float32", "float16", where + ".dtype");
  tensor.type = is_half ? ElementType::FLOAT16 : ElementType::FLOAT32;
  return tensor;
}

std::vector<TensorSpec> read_tensors(const JsonValue& content, const std::string& where) {
  std::vector<TensorSpec> tensors;
  for (const JsonValue& item : expect(content, Kind::LIST, where).items)
    tensors.push_back(read_tensor(item, where));
  return tensors;
}

GraphBudget read_budget(const JsonValue& content, const std::string& where) {
  check_fields(content, {}, {"file_bytes", "nodes", "memory_bytes"}, where);
  GraphBudget budget;
  const auto read = [&](const char* name, int64_t highest, int64_t& into) {
    if (const JsonValue* value = content.find(name))
      into = whole_number(*value, 1, highest, where + "." + name);
  };
  read("file_bytes", kMostFileBytes, budget.file_bytes);
  read("nodes", kMostNodes, budget.nodes);
  read("memory_bytes", kMostMemoryBytes, budget.memory_bytes);
  check_budget(budget, where);
  return budget;
}

GraphSpec read_graph(const JsonValue& content, const std::string& where) {
  check_fields(content, {"path", "sha256", "inputs", "outputs"}, {"budget"}, where);
  GraphSpec graph;
  graph.path = expect(*content.find("path"), Kind::TEXT, where + ".path").text;
  graph.sha256 = expect(*content.find("sha256"), Kind::TEXT, where + ".sha256").text;
  graph.inputs = read_tensors(*content.find("inputs"), where + ".inputs");
  graph.outputs = read_tensors(*content.find("outputs"), where + ".outputs");
  if (const JsonValue* budget = content.find("budget"))
    graph.budget = read_budget(*budget, where + ".budget");
  return graph;
}

// Whether `object` has each stage and nothing else.
bool has_stages(const JsonValue& object) {
  return object.is(Kind::OBJECT) && object.names.size() == kNumStages &&
         std::all_of(kStageNames.begin(), kStageNames.end(),
                     [&](const char* stage) { return object.find(stage) != nullptr; });
}

StageGraphs read_stages(const std::string& precision, const JsonValue& stages,
                        const std::string& where) {
  if ((precision != "fp32" && precision != "fp16" && precision != "int8") || !has_stages(stages))
    refuse(where, "graphs: expected precisions fp32, fp16, int8 with the four stages, got " +
                      python_json_text(precision));
  StageGraphs graphs;
  int64_t file_bytes = 0, memory_bytes = 0;
  for (int i = 0; i < kNumStages; ++i) {
    const std::string at = where + ": " + precision + " " + kStageNames[i];
    graphs[i] = read_graph(*stages.find(kStageNames[i]), at);
    file_bytes += graphs[i].budget.file_bytes;
    memory_bytes += graphs[i].budget.memory_bytes;
  }
  if (file_bytes > kMostFileBytes || memory_bytes > kMostMemoryBytes)
    refuse(where, precision + ": its graphs take " + std::to_string(file_bytes) +
                      " file_bytes and " + std::to_string(memory_bytes) +
                      " memory_bytes together, more than is allowed");
  return graphs;
}

void check_joints(const JsonValue& names, const std::string& where) {
  const auto& items = expect(names, Kind::LIST, where + ": joint_names").items;
  const auto same_name = [](const JsonValue& item, const char* joint) {
    return item.is(Kind::TEXT) && item.text == joint;
  };
  if (!std::equal(items.begin(), items.end(), kJointNames.begin(), kJointNames.end(), same_name))
    refuse(where, "joint_names: expected the 22 SMPL joints");
}

void check_targets(const JsonValue& targets, const std::string& where) {
  expect(targets, Kind::OBJECT, where);
  for (const JsonValue& plan : targets.items) {
    const auto is_processor = [](const JsonValue& value) {
      return value.is(Kind::TEXT) && (value.text == "npu" || value.text == "cpu");
    };
    if (!has_stages(plan) || !std::all_of(plan.items.begin(), plan.items.end(), is_processor))
      refuse(where, "expected each stage on npu or cpu");
  }
}

void check_trained_steps(const JsonValue& steps, const std::string& where) {
  if (steps.is(Kind::OBJECT) && steps.items.empty()) return;
  if (!has_stages(steps)) refuse(where, "expected each of the four stages");
  for (const JsonValue& count : steps.items)
    if (!count.is(Kind::NOTHING)) whole_number(count, 0, kMostSteps, where);
}

// Takes the manifest's own hash out and compares it with that of the rest.
void check_hash(JsonValue& content, const std::string& where) {
  std::string said;
  for (size_t i = 0; i < content.names.size(); ++i) {
    if (content.names[i] != "manifest_sha256") continue;
    said = content.items[i].text;
    content.names.erase(content.names.begin() + i);
    content.items.erase(content.items.begin() + i);
    break;
  }
  if (said != sha256_hex(canonical_json(content)))
    refuse(where, "manifest_sha256 does not match: the manifest was changed");
}

}  // namespace

void check_budget(const GraphBudget& budget, const std::string& where) {
  const auto check = [&](const char* name, int64_t value, int64_t highest) {
    if (value > highest)
      refuse(where, std::string(name) + ": expected at most " + std::to_string(highest) + ", got " +
                        std::to_string(value));
  };
  check("file_bytes", budget.file_bytes, kMostFileBytes);
  check("nodes", budget.nodes, kMostNodes);
  check("memory_bytes", budget.memory_bytes, kMostMemoryBytes);
  check("3 times file_bytes and memory_bytes together",
        kWeightCopies * budget.file_bytes + budget.memory_bytes, kMostToOpen);
}

int64_t bounded_product(const std::vector<int64_t>& lengths, int64_t most) {
  int64_t product = 1;
  for (const int64_t length : lengths) {
    if (length > most / product) return most + 1;
    product *= length;
  }
  return product;
}

Manifest parse_manifest(std::string_view raw, const std::string& where) {
  JsonValue content;
  try {
    content = parse_strict_json(raw);
  } catch (const JsonError& error) {
    refuse(where, std::string("not valid JSON (") + error.what() + ")");
  }
  expect(content, Kind::OBJECT, where);
  const JsonValue* version = content.find("format_version");
  const auto is = [&](int64_t known) {
    return (version->is(Kind::INTEGER) && version->integer == known) ||
           (version->is(Kind::REAL) && version->real == static_cast<double>(known));
  };
  const bool known = version != nullptr && std::ranges::any_of(kFormatVersions, is);
  if (!known)
    refuse(where,
           "expected format_version 1 to 3; export the bundle again or use the SDK version that "
           "wrote it");
  check_hash(content, where);
  check_fields(content,
               {"format_version", "preset", "config", "joint_names", "rig", "graphs",
                "checkpoint_sha256", "tools", "parity"},
               {"targets", "trained_steps"}, where);
  Manifest manifest;
  const JsonValue& graphs = expect(*content.find("graphs"), Kind::OBJECT, where + ": graphs");
  for (size_t i = 0; i < graphs.items.size(); ++i)
    manifest.graphs.emplace_back(graphs.names[i],
                                 read_stages(graphs.names[i], graphs.items[i], where));
  if (manifest.graphs.empty()) refuse(where, "lists no graphs");
  manifest.config = read_config(*content.find("config"), where);
  manifest.preset = expect(*content.find("preset"), Kind::TEXT, where + ": preset").text;
  check_joints(*content.find("joint_names"), where);
  manifest.rig_json = canonical_json(expect(*content.find("rig"), Kind::OBJECT, where + ": rig"));
  manifest.checkpoint_sha256 =
      expect(*content.find("checkpoint_sha256"), Kind::TEXT, where + ": checkpoint_sha256").text;
  for (const JsonValue& tool :
       expect(*content.find("tools"), Kind::OBJECT, where + ": tools").items)
    expect(tool, Kind::TEXT, where + ": tools");
  expect(*content.find("parity"), Kind::OBJECT, where + ": parity");
  if (const JsonValue* targets = content.find("targets"))
    check_targets(*targets, where + ": targets");
  if (const JsonValue* steps = content.find("trained_steps"))
    check_trained_steps(*steps, where + ": trained_steps");
  return manifest;
}

}  // namespace same
