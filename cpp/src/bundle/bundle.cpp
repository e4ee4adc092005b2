#include "same/bundle.hpp"

#include "bundle/manifest.hpp"
#include "bundle/onnx_guard.hpp"
#include "bundle/regular_files.hpp"
#include "bundle/sha256.hpp"
#include "bundle/signatures.hpp"

namespace same {
namespace {

constexpr int64_t kMostManifestBytes = 4 << 20;
const std::string kManifestName = "manifest.json";

}  // namespace

int64_t TensorSpec::elements() const { return bounded_product(shape, kMostElements); }

Bundle Bundle::open(const std::string& path) {
  if (path.find('\0') != path.npos || !is_folder(path))
    throw BundleError("bundle: no folder at " + path +
                      "; make one with: same-export --ckpt model.pt");
  const std::string where = path + "/" + kManifestName;
  Manifest manifest = parse_manifest(read_inside(path, kManifestName, kMostManifestBytes), where);
  check_signatures(manifest, where);
  return Bundle(path, std::move(manifest));
}

const StageGraphs& Bundle::graphs(const std::string& precision) const {
  std::string known;
  for (const auto& [name, graphs] : manifest_.graphs) {
    if (name == precision) return graphs;
    known += (known.empty() ? "" : ", ") + name;
  }
  throw BundleError("bundle " + path_ + ": no " + precision + " graphs; it has " + known);
}

std::string Bundle::graph_bytes(const std::string& precision, Stage stage) const {
  const GraphSpec& spec = graphs(precision).at(static_cast<size_t>(stage));
  const std::string where = path_ + "/" + spec.path;
  std::string content = read_inside(path_, spec.path, spec.budget.file_bytes);
  const std::string came = sha256_hex(content);
  if (came != spec.sha256)
    throw BundleError(where + ": SHA-256 is " + came.substr(0, 12) +
                      "..., the manifest says another: the file was changed or damaged; export or "
                      "download the bundle again");
  check_graph(content, spec, where);
  return content;
}

void Bundle::verify() const {
  for (const auto& [precision, graphs] : manifest_.graphs)
    for (int stage = 0; stage < kNumStages; ++stage)
      graph_bytes(precision, static_cast<Stage>(stage));
}

}  // namespace same
