// An OpenXR runtime without a headset: just what the layer and its test call. Environment:
//   STUB_HAS_BODY    it has XR_BD_body_tracking itself; a body tracker there is
//   XR_ERROR_LIMIT_REACHED STUB_NO_TIME     it has no XR_KHR_convert_timespec_time STUB_NO_STAGE it
//   has LOCAL_FLOOR instead of STAGE
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "openxr_additions.hpp"
#include "same/pose_math.hpp"

namespace same {
namespace {

constexpr int64_t kTimeOfMonotonicZero = 7'000'000'000;  // XrTime is another clock
constexpr XrSystemId kSystem = 11;

struct Pose {
  Quaternion turn;
  Vec3 at{};
};
Pose chained(const Pose& a, const Pose& b) {
  return {a.turn * b.turn, rotate(a.turn, b.at) + a.at};
}
Pose inverse(const Pose& a) {
  const Quaternion back = conjugate(a.turn);
  return {back, -1.0 * rotate(back, a.at)};
}

struct Space {
  XrReferenceSpaceType type;
  Pose T_stage_space;
};

std::set<std::string> enabled;
std::set<XrSession> live_sessions;
std::map<XrSpace, Space> spaces;
uintptr_t newest_handle = 100;
std::mutex spaces_mutex;  // of the two above

template <typename Handle>
Handle made() {
  return (Handle)(++newest_handle);
}

std::set<std::string> offered() {
  std::set<std::string> names{XR_MND_HEADLESS_EXTENSION_NAME,
                              XR_KHR_CONVERT_TIMESPEC_TIME_EXTENSION_NAME};
  if (std::getenv("STUB_NO_TIME")) names.erase(XR_KHR_CONVERT_TIMESPEC_TIME_EXTENSION_NAME);
  if (std::getenv("STUB_HAS_BODY")) names.insert(XR_BD_BODY_TRACKING_EXTENSION_NAME);
  return names;
}

XrResult XRAPI_CALL enumerate_extensions(const char*, uint32_t capacity, uint32_t* count,
                                         XrExtensionProperties* properties) {
  const auto names = offered();
  *count = static_cast<uint32_t>(names.size());
  if (capacity == 0) return XR_SUCCESS;
  if (capacity < names.size()) return XR_ERROR_SIZE_INSUFFICIENT;
  for (const std::string& name : names) {
    std::strncpy(properties->extensionName, name.c_str(), XR_MAX_EXTENSION_NAME_SIZE - 1);
    (properties++)->extensionVersion = 1;
  }
  return XR_SUCCESS;
}

XrResult XRAPI_CALL create_instance(const XrInstanceCreateInfo* info, XrInstance* instance) {
  enabled.clear();
  for (uint32_t i = 0; i < info->enabledExtensionCount; ++i) {
    const std::string name = info->enabledExtensionNames[i];
    // The loader answers this one itself.
    if (!offered().contains(name) && name != XR_EXT_DEBUG_UTILS_EXTENSION_NAME)
      return XR_ERROR_EXTENSION_NOT_PRESENT;
    enabled.insert(name);
  }
  *instance = made<XrInstance>();
  return XR_SUCCESS;
}

XrResult XRAPI_CALL destroy_instance(XrInstance) { return XR_SUCCESS; }

XrResult XRAPI_CALL get_instance_properties(XrInstance, XrInstanceProperties* properties) {
  std::strcpy(properties->runtimeName, "stub");
  properties->runtimeVersion = 1;
  return XR_SUCCESS;
}

XrResult XRAPI_CALL get_system(XrInstance, const XrSystemGetInfo*, XrSystemId* system) {
  *system = kSystem;
  return XR_SUCCESS;
}

XrResult XRAPI_CALL get_system_properties(XrInstance, XrSystemId system,
                                          XrSystemProperties* properties) {
  if (system != kSystem) return XR_ERROR_SYSTEM_INVALID;
  std::strcpy(properties->systemName, "stub");
  return XR_SUCCESS;
}

XrResult XRAPI_CALL create_session(XrInstance, const XrSessionCreateInfo*, XrSession* session) {
  live_sessions.insert(*session = made<XrSession>());
  return XR_SUCCESS;
}

XrResult XRAPI_CALL destroy_session(XrSession session) {
  return live_sessions.erase(session) ? XR_SUCCESS : XR_ERROR_HANDLE_INVALID;
}

// Where the app's LOCAL is: turned to the left by 90 degrees and tilted by none.
Pose origin_of(XrReferenceSpaceType type) {
  if (type != XR_REFERENCE_SPACE_TYPE_LOCAL) return {};
  return {rotation_about({0, 1, 0}, std::acos(0.0)), {1.0, 0.5, -2.0}};
}

XrResult XRAPI_CALL create_reference_space(XrSession session,
                                           const XrReferenceSpaceCreateInfo* info, XrSpace* space) {
  if (!live_sessions.contains(session)) return XR_ERROR_HANDLE_INVALID;
  const bool has_stage = !std::getenv("STUB_NO_STAGE");
  const auto type = info->referenceSpaceType;
  if (type != XR_REFERENCE_SPACE_TYPE_VIEW && type != XR_REFERENCE_SPACE_TYPE_LOCAL &&
      type != (has_stage ? XR_REFERENCE_SPACE_TYPE_STAGE : kLocalFloorSpace))
    return XR_ERROR_REFERENCE_SPACE_UNSUPPORTED;
  const auto& [q, p] = info->poseInReferenceSpace;
  const std::lock_guard lock(spaces_mutex);
  *space = made<XrSpace>();
  spaces[*space] = {type, chained(origin_of(type), {{q.x, q.y, q.z, q.w}, {p.x, p.y, p.z}})};
  return XR_SUCCESS;
}

XrResult XRAPI_CALL destroy_space(XrSpace space) {
  const std::lock_guard lock(spaces_mutex);
  return spaces.erase(space) ? XR_SUCCESS : XR_ERROR_HANDLE_INVALID;
}

// Nobody wears it: where VIEW is nobody knows.
XrResult XRAPI_CALL locate_space(XrSpace space, XrSpace base, XrTime time,
                                 XrSpaceLocation* location) {
  const std::lock_guard lock(spaces_mutex);
  if (!spaces.contains(space) || !spaces.contains(base)) return XR_ERROR_HANDLE_INVALID;
  if (time <= 0) return XR_ERROR_TIME_INVALID;
  const Space &of = spaces[space], &in = spaces[base];
  const bool known =
      of.type != XR_REFERENCE_SPACE_TYPE_VIEW && in.type != XR_REFERENCE_SPACE_TYPE_VIEW;
  const auto [turn, at] = chained(inverse(in.T_stage_space), of.T_stage_space);
  const auto f = [](double value) { return static_cast<float>(value); };
  location->locationFlags = known ? 15 : 0;
  location->pose = {{f(turn.x), f(turn.y), f(turn.z), f(turn.w)}, {f(at[0]), f(at[1]), f(at[2])}};
  return XR_SUCCESS;
}

XrResult XRAPI_CALL convert_time(XrInstance, XrTime time, timespec* monotonic) {
  const int64_t ns = time - kTimeOfMonotonicZero;
  if (ns < 0) return XR_ERROR_TIME_INVALID;
  *monotonic = {ns / 1'000'000'000, ns % 1'000'000'000};
  return XR_SUCCESS;
}

XrResult XRAPI_CALL create_body_tracker(XrSession, const XrBodyTrackerCreateInfoBD*,
                                        XrBodyTrackerBD*) {
  return XR_ERROR_LIMIT_REACHED;
}

XrResult XRAPI_CALL get_instance_proc_addr(XrInstance instance, const char* name,
                                           PFN_xrVoidFunction* function) {
  const auto any = [](auto* f) { return reinterpret_cast<PFN_xrVoidFunction>(f); };
  static const std::map<std::string, PFN_xrVoidFunction> kGlobal{
      {"xrEnumerateInstanceExtensionProperties", any(enumerate_extensions)},
      {"xrCreateInstance", any(create_instance)},
  };
  static const std::map<std::string, PFN_xrVoidFunction> kCore{
      {"xrGetInstanceProcAddr", any(get_instance_proc_addr)},
      {"xrDestroyInstance", any(destroy_instance)},
      {"xrGetInstanceProperties", any(get_instance_properties)},
      {"xrGetSystem", any(get_system)},
      {"xrGetSystemProperties", any(get_system_properties)},
      {"xrCreateSession", any(create_session)},
      {"xrDestroySession", any(destroy_session)},
      {"xrCreateReferenceSpace", any(create_reference_space)},
      {"xrDestroySpace", any(destroy_space)},
      {"xrLocateSpace", any(locate_space)},
  };
  *function = nullptr;
  if (const auto found = kGlobal.find(name); found != kGlobal.end()) *function = found->second;
  if (instance == XR_NULL_HANDLE) return *function ? XR_SUCCESS : XR_ERROR_HANDLE_INVALID;
  if (const auto found = kCore.find(name); found != kCore.end()) *function = found->second;
  if (!std::strcmp(name, "xrConvertTimeToTimespecTimeKHR") &&
      enabled.contains(XR_KHR_CONVERT_TIMESPEC_TIME_EXTENSION_NAME))
    *function = any(convert_time);
  if (!std::strcmp(name, "xrCreateBodyTrackerBD") &&
      enabled.contains(XR_BD_BODY_TRACKING_EXTENSION_NAME))
    *function = any(create_body_tracker);
  return *function ? XR_SUCCESS : XR_ERROR_FUNCTION_UNSUPPORTED;
}

}  // namespace
}  // namespace same

extern "C" __attribute__((visibility("default"))) XrResult XRAPI_CALL
xrNegotiateLoaderRuntimeInterface(const XrNegotiateLoaderInfo*,
                                  XrNegotiateRuntimeRequest* request) {
  request->runtimeInterfaceVersion = XR_CURRENT_LOADER_RUNTIME_VERSION;
  request->runtimeApiVersion = XR_MAKE_VERSION(1, 0, 20);
  request->getInstanceProcAddr = same::get_instance_proc_addr;
  return XR_SUCCESS;
}
