// What the layer keeps of an app's instances, sessions and body trackers.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>

#include "openxr_additions.hpp"
#include "same/same.h"

namespace same::openxr {

// Functions of the next layer, or of the runtime. The last two only where there are any.
struct NextFunctions {
  PFN_xrGetInstanceProcAddr get_instance_proc_addr = nullptr;
  PFN_xrDestroyInstance destroy_instance = nullptr;
  PFN_xrGetSystemProperties get_system_properties = nullptr;
  PFN_xrCreateSession create_session = nullptr;
  PFN_xrDestroySession destroy_session = nullptr;
  PFN_xrCreateReferenceSpace create_reference_space = nullptr;
  PFN_xrDestroySpace destroy_space = nullptr;
  PFN_xrLocateSpace locate_space = nullptr;
  PFN_xrConvertTimeToTimespecTimeKHR convert_time = nullptr;
  PFN_xrSubmitDebugUtilsMessageEXT submit_message = nullptr;

  // Finds them all. False when the runtime lacks one that every runtime has.
  bool find(XrInstance instance, PFN_xrGetInstanceProcAddr next);
};

class OpenTracker;

struct Instance {
  XrInstance handle = XR_NULL_HANDLE;
  NextFunctions next;
  bool acts = false;  // the app wants body tracking, and the runtime has none of its own
  std::mutex opening;
  std::weak_ptr<OpenTracker> tracker;

  // One line, to stderr and to the app's messengers of XR_EXT_debug_utils. A layer is not told
  // whether the app has any: the loader answers that extension itself.
  void say(XrDebugUtilsMessageSeverityFlagsEXT severity, const char* function,
           const char* text) const noexcept;
};

// The SDK's tracker, shared by an instance's body trackers and closed with the last of them.
class OpenTracker {
 public:
  // The bundle that the environment names. Where it cannot be opened: null and what was wrong.
  static std::shared_ptr<OpenTracker> open(const std::shared_ptr<Instance>& instance,
                                           std::string& problem);
  // Whether the environment names one.
  static bool is_configured();

  explicit OpenTracker(std::shared_ptr<Instance> instance) : instance_(std::move(instance)) {}
  ~OpenTracker();
  OpenTracker(const OpenTracker&) = delete;
  OpenTracker& operator=(const OpenTracker&) = delete;

  same_tracker number() const { return number_; }

 private:
  std::shared_ptr<Instance> instance_;
  same_tracker number_ = 0;
};

struct BodyTracker {
  std::shared_ptr<Instance> instance;
  std::shared_ptr<OpenTracker> tracker;
  XrSession session = XR_NULL_HANDLE;
  XrSpace world = XR_NULL_HANDLE;  // what the tracker calls the world
  uint32_t joints = 0;
  std::once_flag told;  // of a failure: not in every frame
};

// By handle; null for one that is unknown. For any thread.
template <typename Handle, typename Kept>
class Table {
 public:
  void put(Handle handle, std::shared_ptr<Kept> kept) {
    const std::lock_guard lock(mutex_);
    kept_[handle] = std::move(kept);
  }
  std::shared_ptr<Kept> find(Handle handle) const {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(handle);
    return found == kept_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Kept> take(Handle handle) {
    const std::lock_guard lock(mutex_);
    const auto node = kept_.extract(handle);
    return node.empty() ? nullptr : std::move(node.mapped());
  }
  // What `is_wanted` says is let go of outside the lock.
  template <typename Predicate>
  void drop(Predicate is_wanted) {
    std::map<Handle, std::shared_ptr<Kept>> dropped;
    const std::lock_guard lock(mutex_);
    for (auto entry = kept_.begin(); entry != kept_.end();) {
      const auto here = entry++;
      if (is_wanted(*here->second)) dropped.insert(kept_.extract(here));
    }
  }

 private:
  mutable std::mutex mutex_;
  std::map<Handle, std::shared_ptr<Kept>> kept_;
};

struct Session {
  std::shared_ptr<Instance> instance;
};

Table<XrInstance, Instance>& instances();
Table<XrSession, Session>& sessions();
Table<XrBodyTrackerBD, BodyTracker>& body_trackers();

// Runs `call`; no exception gets out.
template <typename Call>
XrResult guarded(Call call) noexcept {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return XR_ERROR_OUT_OF_MEMORY;
  } catch (...) {
    return XR_ERROR_RUNTIME_FAILURE;
  }
}

// The extension, in body_tracking.cpp.
bool can_track(const Instance& instance);
XrResult XRAPI_CALL create_body_tracker(XrSession session, const XrBodyTrackerCreateInfoBD* info,
                                        XrBodyTrackerBD* tracker);
XrResult XRAPI_CALL destroy_body_tracker(XrBodyTrackerBD tracker);
XrResult XRAPI_CALL locate_body_joints(XrBodyTrackerBD tracker,
                                       const XrBodyJointsLocateInfoBD* info,
                                       XrBodyJointLocationsBD* locations);

}  // namespace same::openxr
