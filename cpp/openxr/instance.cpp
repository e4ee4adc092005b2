#include "instance.hpp"

#include <cstdio>
#include <cstdlib>

namespace same::openxr {
namespace {

constexpr const char* kBundleVariable = "SAME_OPENXR_BUNDLE";
constexpr const char* kOnnxRuntimeVariable = "SAME_OPENXR_ONNXRUNTIME";

// Null for an empty one too.
const char* from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value && *value ? value : nullptr;
}

template <typename Function>
bool find_function(XrInstance instance, PFN_xrGetInstanceProcAddr next, const char* name,
                   Function& function) {
  PFN_xrVoidFunction found = nullptr;
  if (XR_FAILED(next(instance, name, &found))) found = nullptr;
  function = reinterpret_cast<Function>(found);
  return function != nullptr;
}

void forward_log(const char* text, void* instance) {
  static_cast<const Instance*>(instance)->say(XR_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
                                              "xrCreateBodyTrackerBD", text);
}

}  // namespace

bool NextFunctions::find(XrInstance instance, PFN_xrGetInstanceProcAddr next) {
  get_instance_proc_addr = next;
  find_function(instance, next, "xrConvertTimeToTimespecTimeKHR", convert_time);
  find_function(instance, next, "xrSubmitDebugUtilsMessageEXT", submit_message);
  return find_function(instance, next, "xrDestroyInstance", destroy_instance) &&
         find_function(instance, next, "xrGetSystemProperties", get_system_properties) &&
         find_function(instance, next, "xrCreateSession", create_session) &&
         find_function(instance, next, "xrDestroySession", destroy_session) &&
         find_function(instance, next, "xrCreateReferenceSpace", create_reference_space) &&
         find_function(instance, next, "xrDestroySpace", destroy_space) &&
         find_function(instance, next, "xrLocateSpace", locate_space);
}

void Instance::say(XrDebugUtilsMessageSeverityFlagsEXT severity, const char* function,
                   const char* text) const noexcept {
  std::fprintf(stderr, "same: %s: %s\n", function, text);
  if (!next.submit_message) return;
  auto data = of_type<XrDebugUtilsMessengerCallbackDataEXT>(
      XR_TYPE_DEBUG_UTILS_MESSENGER_CALLBACK_DATA_EXT);
  data.messageId = "same";
  data.functionName = function;
  data.message = text;
  next.submit_message(handle, severity, XR_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT, &data);
}

bool OpenTracker::is_configured() { return from_environment(kBundleVariable) != nullptr; }

std::shared_ptr<OpenTracker> OpenTracker::open(const std::shared_ptr<Instance>& instance,
                                               std::string& problem) {
  const std::lock_guard lock(instance->opening);
  if (auto open = instance->tracker.lock()) return open;
  if (same_abi_version() != SAME_ABI_VERSION) {
    problem = "libsame is of another version than this layer";
    return nullptr;
  }
  auto opened = std::make_shared<OpenTracker>(instance);
  same_options options;
  same_options_init(&options, sizeof options);
  options.solve_rotations = 1;
  options.onnxruntime_path = from_environment(kOnnxRuntimeVariable);
  options.log = forward_log;
  options.log_user = instance.get();
  const char* bundle = from_environment(kBundleVariable);
  if (same_open(bundle, nullptr, &options, &opened->number_) != SAME_OK) {
    problem = std::string("cannot open ") + bundle + ": " + same_last_error();
    return nullptr;
  }
  instance->tracker = opened;
  return opened;
}

OpenTracker::~OpenTracker() {
  if (number_) same_close(number_);
}

// Never destroyed: an app's threads may outlive static objects.
Table<XrInstance, Instance>& instances() {
  static auto* const table = new Table<XrInstance, Instance>;
  return *table;
}

Table<XrSession, Session>& sessions() {
  static auto* const table = new Table<XrSession, Session>;
  return *table;
}

Table<XrBodyTrackerBD, BodyTracker>& body_trackers() {
  static auto* const table = new Table<XrBodyTrackerBD, BodyTracker>;
  return *table;
}

}  // namespace same::openxr
