// The layer between the loader and the runtime: what it lets through, and what it answers itself.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <vector>

#include "instance.hpp"
#include "same_openxr.h"

namespace same::openxr {
namespace {

// Empty when the runtime gives no answer.
std::vector<XrExtensionProperties> runtime_extensions(const XrApiLayerCreateInfo& layers) {
  const XrApiLayerNextInfo* last = layers.nextInfo;
  while (last->next) last = last->next;
  PFN_xrVoidFunction found = nullptr;
  if (XR_FAILED(last->nextGetInstanceProcAddr(XR_NULL_HANDLE,
                                              "xrEnumerateInstanceExtensionProperties", &found)) ||
      !found)
    return {};
  const auto enumerate = reinterpret_cast<PFN_xrEnumerateInstanceExtensionProperties>(found);
  uint32_t count = 0;
  if (XR_FAILED(enumerate(nullptr, 0, &count, nullptr))) return {};
  std::vector<XrExtensionProperties> extensions(
      count, of_type<XrExtensionProperties>(XR_TYPE_EXTENSION_PROPERTIES));
  if (XR_FAILED(enumerate(nullptr, count, &count, extensions.data()))) return {};
  extensions.resize(std::min<size_t>(count, extensions.size()));
  return extensions;
}

bool has(const std::vector<XrExtensionProperties>& extensions, const char* name) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [name](const auto& one) { return !std::strcmp(one.extensionName, name); });
}

bool has(const std::vector<const char*>& names, const char* name) {
  return std::any_of(names.begin(), names.end(),
                     [name](const char* one) { return !std::strcmp(one, name); });
}

// The next layer's or the runtime's instance, with the extensions that this layer wants of it.
XrResult create_next(const XrInstanceCreateInfo& info, const XrApiLayerCreateInfo& layers,
                     bool& acts, XrInstance* instance) {
  std::vector<const char*> names(info.enabledExtensionNames,
                                 info.enabledExtensionNames + info.enabledExtensionCount);
  const auto offered = runtime_extensions(layers);
  acts = has(names, XR_BD_BODY_TRACKING_EXTENSION_NAME) &&
         !has(offered, XR_BD_BODY_TRACKING_EXTENSION_NAME);
  if (acts) {
    names.erase(std::remove_if(names.begin(), names.end(),
                               [](const char* name) {
                                 return !std::strcmp(name, XR_BD_BODY_TRACKING_EXTENSION_NAME);
                               }),
                names.end());
    constexpr const char* kTime = XR_KHR_CONVERT_TIMESPEC_TIME_EXTENSION_NAME;
    if (has(offered, kTime) && !has(names, kTime)) names.push_back(kTime);
  }
  XrInstanceCreateInfo changed = info;
  changed.enabledExtensionCount = static_cast<uint32_t>(names.size());
  changed.enabledExtensionNames = names.data();
  XrApiLayerCreateInfo below = layers;
  below.nextInfo = layers.nextInfo->next;
  return layers.nextInfo->nextCreateApiLayerInstance(&changed, &below, instance);
}

XrResult XRAPI_CALL create_instance(const XrInstanceCreateInfo* info,
                                    const XrApiLayerCreateInfo* layers, XrInstance* instance) {
  return guarded([&]() -> XrResult {
    if (!info || info->type != XR_TYPE_INSTANCE_CREATE_INFO || !layers || !layers->nextInfo ||
        layers->structType != XR_LOADER_INTERFACE_STRUCT_API_LAYER_CREATE_INFO ||
        layers->nextInfo->structType != XR_LOADER_INTERFACE_STRUCT_API_LAYER_NEXT_INFO ||
        std::strcmp(layers->nextInfo->layerName, SAME_OPENXR_LAYER_NAME) != 0 || !instance)
      return XR_ERROR_INITIALIZATION_FAILED;
    const auto kept = std::make_shared<Instance>();
    const XrResult result = create_next(*info, *layers, kept->acts, instance);
    if (XR_FAILED(result)) return result;
    kept->handle = *instance;
    if (!kept->next.find(*instance, layers->nextInfo->nextGetInstanceProcAddr)) {
      if (kept->next.destroy_instance) kept->next.destroy_instance(*instance);
      return XR_ERROR_INITIALIZATION_FAILED;
    }
    instances().put(*instance, kept);
    return result;
  });
}

XrResult XRAPI_CALL destroy_instance(XrInstance handle) {
  return guarded([&]() -> XrResult {
    const auto instance = instances().take(handle);
    if (!instance) return XR_ERROR_HANDLE_INVALID;
    body_trackers().drop([&](const BodyTracker& one) { return one.instance == instance; });
    sessions().drop([&](const Session& one) { return one.instance == instance; });
    return instance->next.destroy_instance(handle);
  });
}

XrResult XRAPI_CALL create_session(XrInstance handle, const XrSessionCreateInfo* info,
                                   XrSession* session) {
  return guarded([&]() -> XrResult {
    const auto instance = instances().find(handle);
    if (!instance) return XR_ERROR_HANDLE_INVALID;
    const XrResult result = instance->next.create_session(handle, info, session);
    if (XR_SUCCEEDED(result))
      sessions().put(*session, std::make_shared<Session>(Session{instance}));
    return result;
  });
}

// Its body trackers go with it, as handles below a destroyed one do.
XrResult XRAPI_CALL destroy_session(XrSession handle) {
  return guarded([&]() -> XrResult {
    const auto session = sessions().take(handle);
    if (!session) return XR_ERROR_HANDLE_INVALID;
    body_trackers().drop([&](const BodyTracker& one) { return one.session == handle; });
    return session->instance->next.destroy_session(handle);
  });
}

XrResult XRAPI_CALL get_system_properties(XrInstance handle, XrSystemId system,
                                          XrSystemProperties* properties) {
  return guarded([&]() -> XrResult {
    const auto instance = instances().find(handle);
    if (!instance) return XR_ERROR_HANDLE_INVALID;
    const XrResult result = instance->next.get_system_properties(handle, system, properties);
    if (XR_FAILED(result)) return result;
    for (auto* more = static_cast<XrBaseOutStructure*>(properties->next); more; more = more->next)
      if (more->type == XR_TYPE_SYSTEM_BODY_TRACKING_PROPERTIES_BD)
        reinterpret_cast<XrSystemBodyTrackingPropertiesBD*>(more)->supportsBodyTracking =
            can_track(*instance);
    return result;
  });
}

XrResult XRAPI_CALL get_instance_proc_addr(XrInstance handle, const char* name,
                                           PFN_xrVoidFunction* function);

struct Answered {
  const char* name;
  PFN_xrVoidFunction function;
};

template <typename Function>
PFN_xrVoidFunction any(Function* function) {
  return reinterpret_cast<PFN_xrVoidFunction>(function);
}

XrResult XRAPI_CALL get_instance_proc_addr(XrInstance handle, const char* name,
                                           PFN_xrVoidFunction* function) {
  static const Answered kAlways[] = {
      {"xrGetInstanceProcAddr", any(get_instance_proc_addr)},
      {"xrDestroyInstance", any(destroy_instance)},
      {"xrCreateSession", any(create_session)},
      {"xrDestroySession", any(destroy_session)},
  };
  static const Answered kWhereItActs[] = {
      {"xrGetSystemProperties", any(get_system_properties)},
      {"xrCreateBodyTrackerBD", any(create_body_tracker)},
      {"xrDestroyBodyTrackerBD", any(destroy_body_tracker)},
      {"xrLocateBodyJointsBD", any(locate_body_joints)},
      {"same_openxr_tracker", any(same_openxr_tracker)},
  };
  return guarded([&]() -> XrResult {
    if (!function || !name) return XR_ERROR_VALIDATION_FAILURE;
    *function = nullptr;
    const auto instance = instances().find(handle);
    if (!instance) return XR_ERROR_HANDLE_INVALID;
    const auto is_named = [name](const Answered& one) { return !std::strcmp(one.name, name); };
    const auto* found = std::find_if(std::begin(kAlways), std::end(kAlways), is_named);
    if (found != std::end(kAlways)) return *function = found->function, XR_SUCCESS;
    found = std::find_if(std::begin(kWhereItActs), std::end(kWhereItActs), is_named);
    if (instance->acts && found != std::end(kWhereItActs))
      return *function = found->function, XR_SUCCESS;
    return instance->next.get_instance_proc_addr(handle, name, function);
  });
}

bool understands(const XrNegotiateLoaderInfo& loader) {
  return loader.structType == XR_LOADER_INTERFACE_STRUCT_LOADER_INFO &&
         loader.structVersion == XR_LOADER_INFO_STRUCT_VERSION &&
         loader.structSize == sizeof loader &&
         loader.minInterfaceVersion <= XR_CURRENT_LOADER_API_LAYER_VERSION &&
         loader.maxInterfaceVersion >= XR_CURRENT_LOADER_API_LAYER_VERSION;
}

bool understands(const XrNegotiateApiLayerRequest& request) {
  return request.structType == XR_LOADER_INTERFACE_STRUCT_API_LAYER_REQUEST &&
         request.structVersion == XR_API_LAYER_INFO_STRUCT_VERSION &&
         request.structSize == sizeof request;
}

}  // namespace
}  // namespace same::openxr

extern "C" {

// What the loader calls first.
__attribute__((visibility("default"))) XrResult XRAPI_CALL xrNegotiateLoaderApiLayerInterface(
    const XrNegotiateLoaderInfo* loader, const char* layer, XrNegotiateApiLayerRequest* request) {
  using namespace same::openxr;
  if (!loader || !request || !layer || std::strcmp(layer, SAME_OPENXR_LAYER_NAME) != 0 ||
      !understands(*loader) || !understands(*request))
    return XR_ERROR_INITIALIZATION_FAILED;
  request->layerInterfaceVersion = XR_CURRENT_LOADER_API_LAYER_VERSION;
  request->layerApiVersion = XR_MAKE_VERSION(1, 0, XR_VERSION_PATCH(XR_CURRENT_API_VERSION));
  request->getInstanceProcAddr = get_instance_proc_addr;
  request->createApiLayerInstance = create_instance;
  return XR_SUCCESS;
}

same_tracker XRAPI_CALL same_openxr_tracker(XrInstance handle) {
  same_tracker number = 0;
  same::openxr::guarded([&] {
    const auto instance = same::openxr::instances().find(handle);
    if (!instance) return XR_ERROR_HANDLE_INVALID;
    const std::lock_guard lock(instance->opening);
    if (const auto open = instance->tracker.lock()) number = open->number();
    return XR_SUCCESS;
  });
  return number;
}

}  // extern "C"
