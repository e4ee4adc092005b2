// The rig in a manifest, as same_runtime's CameraRig.from_dict reads it.
#include <algorithm>
#include <array>
#include <string>

#include "bundle/json.hpp"
#include "same/bundle.hpp"
#include "same/camera.hpp"

namespace same {
namespace {

using Kind = JsonValue::Kind;

constexpr std::array<const char*, kNumViews> kViews{"left", "right"};

double number(const JsonValue& value, const std::string& name) {
  if (value.is(Kind::INTEGER)) return static_cast<double>(value.integer);
  if (value.is(Kind::REAL)) return value.real;
  throw BundleError(name + ": expected a number, got " + kind_name(value.kind));
}

int whole(const JsonValue& value, const std::string& name) {
  if (!value.is(Kind::INTEGER) || value.integer < 1 || value.integer > FisheyeCamera::kLargestSide)
    throw BundleError(name + ": expected a whole number of 1.." +
                      std::to_string(FisheyeCamera::kLargestSide));
  return static_cast<int>(value.integer);
}

const JsonValue& list(const JsonValue& value, size_t size, const std::string& name) {
  if (!value.is(Kind::LIST) || value.items.size() != size)
    throw BundleError(name + ": expected a list of " + std::to_string(size));
  return value;
}

RigidTransform transform(const JsonValue& value, const std::string& name) {
  RigidTransform T;
  list(value, 4, name);
  for (size_t row = 0; row < 4; ++row) {
    const JsonValue& numbers = list(value.items[row], 4, name);
    for (size_t column = 0; column < 4; ++column) {
      const double x = number(numbers.items[column], name);
      if (row == 3) {
        if (std::abs(x - (column == 3 ? 1.0 : 0.0)) > 1e-9)
          throw BundleError(name + ": expected a rigid transform (rotation, translation)");
      } else if (column == 3) {
        T.translation[row] = x;
      } else {
        T.rotation[3 * row + column] = x;
      }
    }
  }
  return T;
}

FisheyeCamera camera(const JsonValue& value, const std::string& name) {
  if (!value.is(Kind::OBJECT)) throw BundleError(name + ": expected an object");
  FisheyeCamera camera;
  camera.max_incidence_rad = 1.5;
  size_t found = 0;
  const auto field = [&](const char* key) {
    const JsonValue* there = value.find(key);
    if (!there && std::string(key) != "max_incidence")
      throw BundleError(name + ": missing field " + key);
    found += there != nullptr;
    return there;
  };
  camera.width = whole(*field("width"), name + ".width");
  camera.height = whole(*field("height"), name + ".height");
  for (const auto& [key, to] :
       {std::pair{"fx", &camera.fx}, {"fy", &camera.fy}, {"cx", &camera.cx}, {"cy", &camera.cy}})
    *to = number(*field(key), name + "." + key);
  const JsonValue& k = list(*field("k"), camera.k.size(), name + ".k");
  for (size_t i = 0; i < camera.k.size(); ++i) camera.k[i] = number(k.items[i], name + ".k");
  camera.T_head_cam = transform(*field("T_head_cam"), name + ".T_head_cam");
  if (const JsonValue* angle = field("max_incidence"))
    camera.max_incidence_rad = number(*angle, name + ".max_incidence");
  if (found != value.names.size()) throw BundleError(name + ": unknown fields");
  return camera;
}

}  // namespace

CameraRig Bundle::rig() const {
  const std::string where = path_ + ": rig";
  const JsonValue content = parse_strict_json(manifest_.rig_json);
  CameraRig rig;
  for (size_t view = 0; view < kViews.size(); ++view) {
    const JsonValue* found = content.find(kViews[view]);
    if (!found || content.names.size() != kViews.size())
      throw BundleError(where + ": expected the cameras left and right");
    rig.cameras[view] = camera(*found, where + "." + kViews[view]);
  }
  try {
    rig.validate();
  } catch (const std::invalid_argument& error) {
    throw BundleError(where + ": " + error.what());
  }
  return rig;
}

}  // namespace same
