// OpenXR's headers, with what older ones lack: XR_BD_body_tracking (from 1.1.46 on) and what
// loader, layers and runtimes say to each other. Names and values are OpenXR's.
#pragma once

#include <time.h>

#define XR_USE_TIMESPEC
#include <openxr/openxr.h>
#include <openxr/openxr_platform.h>

#include <cstddef>
#include <cstdint>

#if __has_include(<openxr/openxr_loader_negotiation.h>)
#include <openxr/openxr_loader_negotiation.h>
#else
constexpr uint32_t XR_CURRENT_LOADER_API_LAYER_VERSION = 1;
constexpr uint32_t XR_CURRENT_LOADER_RUNTIME_VERSION = 1;
constexpr uint32_t XR_LOADER_INFO_STRUCT_VERSION = 1;
constexpr uint32_t XR_API_LAYER_INFO_STRUCT_VERSION = 1;
constexpr uint32_t XR_RUNTIME_INFO_STRUCT_VERSION = 1;
constexpr uint32_t XR_API_LAYER_CREATE_INFO_STRUCT_VERSION = 1;
constexpr uint32_t XR_API_LAYER_NEXT_INFO_STRUCT_VERSION = 1;
constexpr size_t XR_API_LAYER_MAX_SETTINGS_PATH_SIZE = 512;

enum XrLoaderInterfaceStructs {
  XR_LOADER_INTERFACE_STRUCT_LOADER_INFO = 1,
  XR_LOADER_INTERFACE_STRUCT_API_LAYER_REQUEST = 2,
  XR_LOADER_INTERFACE_STRUCT_RUNTIME_REQUEST = 3,
  XR_LOADER_INTERFACE_STRUCT_API_LAYER_CREATE_INFO = 4,
  XR_LOADER_INTERFACE_STRUCT_API_LAYER_NEXT_INFO = 5,
};

struct XrNegotiateLoaderInfo {
  XrLoaderInterfaceStructs structType;
  uint32_t structVersion;
  size_t structSize;
  uint32_t minInterfaceVersion;
  uint32_t maxInterfaceVersion;
  XrVersion minApiVersion;
  XrVersion maxApiVersion;
};

struct XrNegotiateRuntimeRequest {
  XrLoaderInterfaceStructs structType;
  uint32_t structVersion;
  size_t structSize;
  uint32_t runtimeInterfaceVersion;
  XrVersion runtimeApiVersion;
  PFN_xrGetInstanceProcAddr getInstanceProcAddr;
};

struct XrApiLayerCreateInfo;
typedef XrResult(XRAPI_PTR* PFN_xrCreateApiLayerInstance)(const XrInstanceCreateInfo* info,
                                                          const XrApiLayerCreateInfo* layerInfo,
                                                          XrInstance* instance);

struct XrNegotiateApiLayerRequest {
  XrLoaderInterfaceStructs structType;
  uint32_t structVersion;
  size_t structSize;
  uint32_t layerInterfaceVersion;
  XrVersion layerApiVersion;
  PFN_xrGetInstanceProcAddr getInstanceProcAddr;
  PFN_xrCreateApiLayerInstance createApiLayerInstance;
};

struct XrApiLayerNextInfo {
  XrLoaderInterfaceStructs structType;
  uint32_t structVersion;
  size_t structSize;
  char layerName[XR_MAX_API_LAYER_NAME_SIZE];
  PFN_xrGetInstanceProcAddr nextGetInstanceProcAddr;
  PFN_xrCreateApiLayerInstance nextCreateApiLayerInstance;
  XrApiLayerNextInfo* next;
};

struct XrApiLayerCreateInfo {
  XrLoaderInterfaceStructs structType;
  uint32_t structVersion;
  size_t structSize;
  void* loaderInstance;
  char settings_file_location[XR_API_LAYER_MAX_SETTINGS_PATH_SIZE];
  XrApiLayerNextInfo* nextInfo;
};
#endif

#ifndef XR_BD_body_tracking
#define XR_BD_body_tracking 1
#define XR_BD_BODY_TRACKING_EXTENSION_NAME "XR_BD_body_tracking"
#define XR_BODY_JOINT_COUNT_BD 24
#define XR_BODY_JOINT_WITHOUT_ARM_COUNT_BD 16
XR_DEFINE_HANDLE(XrBodyTrackerBD)

constexpr auto XR_TYPE_BODY_TRACKER_CREATE_INFO_BD = static_cast<XrStructureType>(1000385001);
constexpr auto XR_TYPE_BODY_JOINTS_LOCATE_INFO_BD = static_cast<XrStructureType>(1000385002);
constexpr auto XR_TYPE_BODY_JOINT_LOCATIONS_BD = static_cast<XrStructureType>(1000385003);
constexpr auto XR_TYPE_SYSTEM_BODY_TRACKING_PROPERTIES_BD =
    static_cast<XrStructureType>(1000385004);

enum XrBodyJointSetBD {
  XR_BODY_JOINT_SET_BODY_WITHOUT_ARM_BD = 1,
  XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD = 2,
  XR_BODY_JOINT_SET_MAX_ENUM_BD = 0x7FFFFFFF
};

struct XrSystemBodyTrackingPropertiesBD {
  XrStructureType type;
  void* next;
  XrBool32 supportsBodyTracking;
};

struct XrBodyTrackerCreateInfoBD {
  XrStructureType type;
  const void* next;
  XrBodyJointSetBD jointSet;
};

struct XrBodyJointsLocateInfoBD {
  XrStructureType type;
  const void* next;
  XrSpace baseSpace;
  XrTime time;
};

struct XrBodyJointLocationBD {
  XrSpaceLocationFlags locationFlags;
  XrPosef pose;
};

struct XrBodyJointLocationsBD {
  XrStructureType type;
  void* next;
  XrBool32 allJointPosesTracked;
  uint32_t jointLocationCount;
  XrBodyJointLocationBD* jointLocations;
};

typedef XrResult(XRAPI_PTR* PFN_xrCreateBodyTrackerBD)(XrSession session,
                                                       const XrBodyTrackerCreateInfoBD* createInfo,
                                                       XrBodyTrackerBD* bodyTracker);
typedef XrResult(XRAPI_PTR* PFN_xrDestroyBodyTrackerBD)(XrBodyTrackerBD bodyTracker);
typedef XrResult(XRAPI_PTR* PFN_xrLocateBodyJointsBD)(XrBodyTrackerBD bodyTracker,
                                                      const XrBodyJointsLocateInfoBD* locateInfo,
                                                      XrBodyJointLocationsBD* locations);
#endif

// In OpenXR 1.1's enum and in XR_EXT_local_floor.
constexpr auto kLocalFloorSpace = static_cast<XrReferenceSpaceType>(1000426000);

// All zeros but its type.
template <typename Struct>
Struct of_type(XrStructureType type) {
  Struct made{};
  made.type = type;
  return made;
}
