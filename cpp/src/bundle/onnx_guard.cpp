#include "bundle/onnx_guard.hpp"

#include <algorithm>
#include <set>

#include "bundle/manifest.hpp"
#include "bundle/onnx_fit.hpp"
#include "bundle/onnx_function.hpp"
#include "bundle/onnx_operators.hpp"
#include "bundle/onnx_tensors.hpp"
#include "bundle/onnx_wire.hpp"

namespace same {
namespace onnx {
namespace {

using Names = std::span<const Field>;

constexpr size_t kMostTensors = 16384;
constexpr size_t kMostTensorsOfANode = 64;
constexpr int64_t kMostProducts = int64_t{1} << 36;
constexpr int64_t kMostWritten = int64_t{1} << 30;

int64_t bounded_times(int64_t a, int64_t b, int64_t most) { return bounded_product({a, b}, most); }

// A decoded GraphProto. Throws Refused where it is none of this project's.
class Graph {
 public:
  Graph(const Message& graph, bool has_function);

  const TensorTypes& inputs() const { return inputs_; }
  const TensorTypes& outputs() const { return outputs_; }
  int64_t node_count() const { return static_cast<int64_t>(nodes_.size()); }
  int64_t memory_bytes() const;

 private:
  void check_nodes(bool has_function);
  void check_node(const Message& node, Names read, Names written, bool has_function) const;
  void check_own_operator(Names read, Names written) const;
  int64_t products(const Message& node, Names read, Names written) const;
  int64_t written_elements(Names written) const;
  const TensorType& type(const Field& name) const { return types_.at(name.bytes); }

  std::span<const Field> nodes_;
  TensorTypes inputs_, outputs_, constants_, types_;
};

Graph::Graph(const Message& graph, bool has_function) : nodes_(graph.all(graph::NODE)) {
  const auto constants = graph.all(graph::INITIALIZER), declared = graph.all(graph::VALUE_INFO);
  const auto inputs = graph.all(graph::INPUT), outputs = graph.all(graph::OUTPUT);
  if (nodes_.size() > static_cast<size_t>(kMostNodes) ||
      constants.size() + declared.size() + inputs.size() + outputs.size() > kMostTensors)
    throw Refused("it has more than 1024 nodes or 16384 tensors");
  inputs_ = declared_types(inputs);
  outputs_ = declared_types(outputs);
  for (const Field& field : constants) {
    const std::string_view name = field.message.text(tensor::NAME);
    if (name.empty() || inputs_.contains(name) ||
        !constants_.try_emplace(name, constant_type(field.message)).second)
      throw Refused("constant '" + std::string(name) + "' has the name of another tensor");
  }
  types_ = declared_types(declared);
  for (const auto& [name, found] : outputs_) types_[name] = found;
  for (const TensorTypes* known : {&inputs_, &constants_})
    for (const auto& [name, found] : *known)
      if (types_.try_emplace(name, found).first->second != found)
        throw Refused("tensor '" + std::string(name) + "' has two types");
  check_nodes(has_function);
}

// The nodes in their order: what each reads is there, what it writes is new and declared, and a run
// costs no more than it may.
void Graph::check_nodes(bool has_function) {
  std::set<std::string_view> made;
  for (const TensorTypes* known : {&inputs_, &constants_})
    for (const auto& [name, found] : *known) made.insert(name);
  int64_t cost = 0, written_numbers = 0;
  for (const Field& field : nodes_) {
    const Message& node = field.message;
    const Names read = node.all(node::INPUT), written = node.all(node::OUTPUT);
    if (read.size() > kMostTensorsOfANode || written.empty() ||
        written.size() > kMostTensorsOfANode)
      throw Refused("a node of " + std::to_string(read.size()) + " inputs");
    for (const Field& name : read)
      if (!name.bytes.empty() && !made.contains(name.bytes))
        throw Refused("tensor '" + std::string(name.bytes) + "' is read before it is written");
    for (const Field& name : written)
      if (name.bytes.empty() || !types_.contains(name.bytes) || !made.insert(name.bytes).second)
        throw Refused("tensor '" + std::string(name.bytes) +
                      "' is written twice or has no declared shape");
    check_node(node, read, written, has_function);
    cost = std::min(cost + products(node, read, written), kMostProducts + 1);
    written_numbers += written_elements(written);
  }
  for (const auto& [name, found] : outputs_)
    if (!made.contains(name)) throw Refused("output '" + std::string(name) + "' is never written");
  if (cost > kMostProducts || written_numbers > kMostWritten)
    throw Refused("a run costs more products or numbers than any may");
}

void Graph::check_node(const Message& node, Names read, Names written, bool has_function) const {
  const std::string_view name = node.text(node::OP_TYPE), domain = node.text(node::DOMAIN_NAME);
  if (domain == kOperatorDomain && name == kOperatorName && has_function) {
    check_own_operator(read, written);
    check_attributes(node, own_operator_rules());
    return;
  }
  const OperatorRule* rule = domain.empty() ? find_operator(name) : nullptr;
  if (rule == nullptr)
    throw Refused("operator " + std::string(domain) + "::" + std::string(name) + " is not allowed");
  std::vector<const Shape*> read_shapes, written_shapes;
  for (const Field& tensor : read)
    read_shapes.push_back(tensor.bytes.empty() ? nullptr : &type(tensor).shape);
  for (const Field& tensor : written) written_shapes.push_back(&type(tensor).shape);
  check_fit(*rule, check_attributes(node, rule->attributes), read_shapes, written_shapes);
  for (size_t i = 0; i < read.size(); ++i)
    if (must_be_constant(name, i) && !read[i].bytes.empty() && !constants_.contains(read[i].bytes))
      throw Refused("the shape of " + std::string(name) + " is computed and not a constant");
}

void Graph::check_own_operator(Names read, Names written) const {
  std::vector<Shape> shapes;
  for (const Names names : {read, written})
    for (const Field& name : names)
      if (!name.bytes.empty()) shapes.push_back(type(name).shape);
  if (shapes.size() == 10 && shapes[0].size() == 4 && shapes[3].size() == 5 &&
      shapes[6].size() == 2) {
    const Shape features = shapes[0];
    const int64_t views = features[0], dim = features[1], height = features[2], width = features[3];
    const int64_t joints = shapes[3][1], heads = shapes[3][2], points = shapes[3][3];
    const int64_t hidden = shapes[6][0], blocks = shapes[6][1];
    const std::vector<Shape> expected = {features,
                                         {views, 3, height, width},
                                         {views, 3},
                                         {views, joints, heads, points, 2},
                                         {views, joints, heads, points},
                                         {views, joints},
                                         {hidden, blocks},
                                         {hidden},
                                         {views, joints, heads, dim},
                                         {views, joints, heads, hidden}};
    if (shapes == expected) return;
  }
  throw Refused(std::string(kOperatorName) + " of other shapes than it may have");
}

int64_t Graph::written_elements(Names written) const {
  int64_t elements = 0;
  for (const Field& name : written) elements += type(name).elements();
  return elements;
}

// About how many products `node` costs, or one more than any run may.
int64_t Graph::products(const Message& node, Names read, Names written) const {
  const std::string_view name = node.text(node::OP_TYPE);
  const int64_t elements = written_elements(written);
  std::vector<const Shape*> shapes;
  for (const Field& tensor : read)
    if (!tensor.bytes.empty()) shapes.push_back(&type(tensor).shape);
  if (name == "Conv" && shapes.size() > 1) {
    const Shape& weights = *shapes[1];
    const Shape of_one(weights.begin() + (weights.empty() ? 0 : 1), weights.end());
    return bounded_times(elements, bounded_product(of_one, kMostProducts), kMostProducts);
  }
  if (name == "MatMul" || name == "Gemm" || name == kOperatorName) {
    int64_t longest = 1;
    for (const Shape* shape : shapes)
      for (const int64_t size : *shape) longest = std::max(longest, size);
    return bounded_times(elements, longest, kMostProducts);
  }
  Shape kernel;
  for (const Field& field : node.all(node::ATTRIBUTE))
    if (field.message.text(attribute::NAME) == "kernel_shape")
      for (const Field& size : field.message.all(attribute::INTS)) kernel.push_back(size.integer);
  return bounded_times(elements, bounded_product(kernel, kMostProducts), kMostProducts);
}

// The most that its tensors but the weights take at once. What follows from the weights alone is
// computed when a library opens the graph, and stays.
int64_t Graph::memory_bytes() const {
  std::map<std::string_view, size_t> last_read;
  for (size_t i = 0; i < nodes_.size(); ++i)
    for (const Field& name : nodes_[i].message.all(node::INPUT)) last_read[name.bytes] = i;
  std::set<std::string_view> fixed, kept;
  for (const auto& [name, found] : constants_) fixed.insert(name);
  for (const TensorTypes* known : {&constants_, &inputs_, &outputs_})
    for (const auto& [name, found] : *known) kept.insert(name);
  int64_t live = 0;
  for (const auto& [name, found] : inputs_) live += found.bytes();
  int64_t most = live;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Names read = nodes_[i].message.all(node::INPUT);
    const Names written = nodes_[i].message.all(node::OUTPUT);
    const bool follows = std::all_of(read.begin(), read.end(), [&](const Field& name) {
      return name.bytes.empty() || fixed.contains(name.bytes);
    });
    std::set<std::string_view> touched;
    for (const Field& name : read) touched.insert(name.bytes);
    for (const Field& name : written) {
      touched.insert(name.bytes);
      if (follows) fixed.insert(name.bytes), kept.insert(name.bytes);
      live += type(name).bytes();
    }
    most = std::max(most, live);
    for (const std::string_view name : touched) {
      const auto last = last_read.find(name);
      const bool is_over = last == last_read.end() || last->second <= i;
      if (!name.empty() && !kept.contains(name) && is_over) live -= types_.at(name).bytes();
    }
  }
  return most;
}

void check_versions(const Message& model) {
  const int64_t ir_version = model.integer(model::IR_VERSION).value_or(0);
  if (ir_version < 7 || ir_version > 11)
    throw Refused("its IR version is " + std::to_string(ir_version));
  std::set<std::string_view> domains;
  for (const Field& field : model.all(model::OPSET_IMPORT)) {
    const std::string_view domain = field.message.text(opset::DOMAIN_NAME);
    const int64_t version = field.message.integer(opset::VERSION).value_or(0);
    if (!domains.insert(domain).second) throw Refused("it names an operator set twice");
    if (!((domain.empty() && version >= 17 && version <= 23) ||
          (domain == kOperatorDomain && version == 1)))
      throw Refused("it uses version " + std::to_string(version) + " of the operators of '" +
                    std::string(domain) + "'");
  }
  if (!domains.contains("")) throw Refused("it names no operator set");
}

Graph read_graph(const Message& model) {
  check_versions(model);
  const auto functions = model.all(model::FUNCTIONS);
  if (functions.size() > 1) throw Refused("it has several functions");
  for (const Field& function : functions) check_function(function.message);
  const Field* graph = model.find(model::GRAPH);
  if (graph == nullptr) throw Refused("it has no graph");
  return Graph(graph->message, !functions.empty());
}

void check_tensors(const TensorTypes& came, const std::vector<TensorSpec>& expected,
                   const char* kind, const std::string& where) {
  const auto fits = [&](const TensorSpec& spec) {
    const auto found = came.find(spec.name);
    return found != came.end() &&
           found->second.kind == (spec.type == ElementType::FLOAT16 ? FLOAT16 : FLOAT) &&
           found->second.shape == spec.shape;
  };
  if (came.size() != expected.size() || !std::all_of(expected.begin(), expected.end(), fits))
    throw BundleError(where + ": its " + kind + " are not the manifest's");
}

void check_needs(const GraphBudget& needs, const GraphBudget& allowed, const std::string& where) {
  check_budget(needs, where + ": takes more than a graph may");
  const auto check = [&](const char* name, int64_t came, int64_t most) {
    if (came > most)
      throw BundleError(where + ": takes " + std::to_string(came) + " " + name +
                        ", its manifest allows " + std::to_string(most) +
                        "; export the bundle again");
  };
  check("file bytes", needs.file_bytes, allowed.file_bytes);
  check("nodes", needs.nodes, allowed.nodes);
  check("memory bytes", needs.memory_bytes, allowed.memory_bytes);
}

}  // namespace
}  // namespace onnx

void check_graph(std::string_view content, const GraphSpec& spec, const std::string& where) {
  try {
    const onnx::Message model = onnx::read_model(content);
    const onnx::Graph graph = onnx::read_graph(model);
    onnx::check_tensors(graph.inputs(), spec.inputs, "inputs", where);
    onnx::check_tensors(graph.outputs(), spec.outputs, "outputs", where);
    onnx::check_needs(
        {static_cast<int64_t>(content.size()), std::max<int64_t>(1, graph.node_count()),
         std::max<int64_t>(1, graph.memory_bytes())},
        spec.budget, where);
  } catch (const onnx::Refused& refused) {
    throw BundleError(where + ": not a graph that same-export writes (" + refused.what() +
                      "); export the bundle again");
  }
}

}  // namespace same
