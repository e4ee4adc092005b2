// An OpenXR app for tests/core/test_openxr_layer.py, with a device driver in its process. It prints
// what it got, a name and a value a line; results are XrResult's numbers.
//
//   openxr_app create [EXTENSION...]        one body tracker, with these extensions
//   openxr_app misuse                       what the layer must refuse
//   openxr_app track RECORDING.raw FRAMES   the joints after every tenth frame, beside
//   same_at_time's
#include <dlfcn.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "openxr_additions.hpp"
#include "raw_recording.h"
#include "same_openxr.h"

namespace {

constexpr int64_t kTimeOfMonotonicZero = 7'000'000'000;  // the stub's
constexpr XrPosef kIdentity{{0, 0, 0, 1}, {0, 0, 0}};

template <typename Value>
void print(const char* name, Value value) {
  std::printf("%s %lld\n", name, static_cast<long long>(value));
}

void need(const char* what, XrResult result) {
  if (result == XR_SUCCESS) return;
  std::fprintf(stderr, "openxr_app: %s: %d\n", what, result);
  std::exit(1);
}

XrBool32 XRAPI_CALL on_message(XrDebugUtilsMessageSeverityFlagsEXT, XrDebugUtilsMessageTypeFlagsEXT,
                               const XrDebugUtilsMessengerCallbackDataEXT* data, void*) {
  if (data->messageId && !std::strcmp(data->messageId, "same"))
    std::printf("message %s: %s\n", data->functionName, data->message);
  return XR_FALSE;
}

struct App {
  XrInstance instance = XR_NULL_HANDLE;
  XrSystemId system = XR_NULL_SYSTEM_ID;
  XrSession session = XR_NULL_HANDLE;
  PFN_xrCreateBodyTrackerBD create = nullptr;
  PFN_xrDestroyBodyTrackerBD destroy = nullptr;
  PFN_xrLocateBodyJointsBD locate = nullptr;
  PFN_same_openxr_tracker number = nullptr;

  template <typename Function>
  XrResult find(const char* name, Function& function) {
    PFN_xrVoidFunction found = nullptr;
    const XrResult result = xrGetInstanceProcAddr(instance, name, &found);
    function = reinterpret_cast<Function>(found);
    return result;
  }

  XrResult open(std::vector<const char*> extensions) {
    auto info = of_type<XrInstanceCreateInfo>(XR_TYPE_INSTANCE_CREATE_INFO);
    std::strcpy(info.applicationInfo.applicationName, "openxr_app");
    info.applicationInfo.apiVersion = XR_MAKE_VERSION(1, 0, 20);
    info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
    info.enabledExtensionNames = extensions.data();
    const XrResult result = xrCreateInstance(&info, &instance);
    if (result != XR_SUCCESS) return result;
    auto wanted = of_type<XrSystemGetInfo>(XR_TYPE_SYSTEM_GET_INFO);
    wanted.formFactor = XR_FORM_FACTOR_HEAD_MOUNTED_DISPLAY;
    need("xrGetSystem", xrGetSystem(instance, &wanted, &system));
    find("same_openxr_tracker", number);
    find("xrDestroyBodyTrackerBD", destroy);
    find("xrLocateBodyJointsBD", locate);
    return open_session();
  }

  XrResult open_session() {
    auto info = of_type<XrSessionCreateInfo>(XR_TYPE_SESSION_CREATE_INFO);
    info.systemId = system;
    return xrCreateSession(instance, &info, &session);
  }

  XrSpace space(XrReferenceSpaceType type, const XrPosef& pose = kIdentity) const {
    auto info = of_type<XrReferenceSpaceCreateInfo>(XR_TYPE_REFERENCE_SPACE_CREATE_INFO);
    info.referenceSpaceType = type;
    info.poseInReferenceSpace = pose;
    XrSpace made = XR_NULL_HANDLE;
    need("xrCreateReferenceSpace", xrCreateReferenceSpace(session, &info, &made));
    return made;
  }

  XrResult body_tracker(XrBodyJointSetBD joints, XrBodyTrackerBD* made) const {
    XrBodyTrackerCreateInfoBD info{XR_TYPE_BODY_TRACKER_CREATE_INFO_BD, nullptr, joints};
    return create(session, &info, made);
  }
};

struct Joints {
  explicit Joints(uint32_t count) : at(count) {
    found.jointLocationCount = count;
    found.jointLocations = at.data();
  }
  std::vector<XrBodyJointLocationBD> at;
  XrBodyJointLocationsBD found{XR_TYPE_BODY_JOINT_LOCATIONS_BD, nullptr, XR_FALSE, 0, nullptr};
};

XrBodyJointsLocateInfoBD when(XrSpace base, XrTime time) {
  return {XR_TYPE_BODY_JOINTS_LOCATE_INFO_BD, nullptr, base, time};
}

bool is_listed(const char* extension) {
  uint32_t count = 0;
  need("enumerate", xrEnumerateInstanceExtensionProperties(nullptr, 0, &count, nullptr));
  std::vector<XrExtensionProperties> all(
      count, of_type<XrExtensionProperties>(XR_TYPE_EXTENSION_PROPERTIES));
  need("enumerate", xrEnumerateInstanceExtensionProperties(nullptr, count, &count, all.data()));
  for (const auto& one : all)
    if (!std::strcmp(one.extensionName, extension)) return true;
  return false;
}

int create(std::vector<const char*> extensions) {
  App app;
  print("listed", is_listed(XR_BD_BODY_TRACKING_EXTENSION_NAME));
  const XrResult opened = app.open(extensions);
  print("xrCreateInstance", opened);
  if (opened != XR_SUCCESS) return 0;
  PFN_xrCreateDebugUtilsMessengerEXT create_messenger = nullptr;
  if (app.find("xrCreateDebugUtilsMessengerEXT", create_messenger) == XR_SUCCESS) {
    auto info =
        of_type<XrDebugUtilsMessengerCreateInfoEXT>(XR_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT);
    info.messageSeverities = 0x1111;
    info.messageTypes = 0xf;
    info.userCallback = on_message;
    XrDebugUtilsMessengerEXT messenger = XR_NULL_HANDLE;
    need("messenger", create_messenger(app.instance, &info, &messenger));
  }
  XrSystemBodyTrackingPropertiesBD body{XR_TYPE_SYSTEM_BODY_TRACKING_PROPERTIES_BD, nullptr, 7};
  auto properties = of_type<XrSystemProperties>(XR_TYPE_SYSTEM_PROPERTIES);
  properties.next = &body;
  need("properties", xrGetSystemProperties(app.instance, app.system, &properties));
  print("supportsBodyTracking", body.supportsBodyTracking);
  print("find xrCreateBodyTrackerBD", app.find("xrCreateBodyTrackerBD", app.create));
  XrBodyTrackerBD tracker = XR_NULL_HANDLE;
  if (app.create)
    print("xrCreateBodyTrackerBD",
          app.body_tracker(XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD, &tracker));
  if (app.number) print("has a number", app.number(app.instance) != 0);
  need("xrDestroyInstance", xrDestroyInstance(app.instance));
  return 0;
}

// The number of the SDK's tracker as a driver that links to the layer finds it.
same_tracker number_by_symbol(XrInstance instance) {
  void* const layer = dlopen("libXrApiLayer_same_body_tracking.so", RTLD_NOW | RTLD_NOLOAD);
  if (!layer) return 0;
  const auto function =
      reinterpret_cast<PFN_same_openxr_tracker>(dlsym(layer, "same_openxr_tracker"));
  return function ? function(instance) : 0;
}

void misuse_creation(App& app, XrBodyTrackerBD* made) {
  const auto full = XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD;
  XrBodyTrackerCreateInfoBD info{XR_TYPE_BODY_TRACKER_CREATE_INFO_BD, nullptr, full};
  print("create: no session", app.create(XR_NULL_HANDLE, &info, made));
  print("create: no session of ours", app.create((XrSession)(uintptr_t)99, &info, made));
  print("create: no info", app.create(app.session, nullptr, made));
  print("create: nowhere to write", app.create(app.session, &info, nullptr));
  print("create: joint set 0", app.body_tracker((XrBodyJointSetBD)0, made));
  print("create: joint set 3", app.body_tracker((XrBodyJointSetBD)3, made));
  info.type = XR_TYPE_SESSION_CREATE_INFO;
  print("create: wrong type", app.create(app.session, &info, made));
}

void misuse_location(App& app, XrBodyTrackerBD full, XrBodyTrackerBD legs, XrSpace stage) {
  const XrTime now = kTimeOfMonotonicZero + 5'000'000'000;
  Joints joints(24), fewer(16);
  auto info = when(stage, now);
  print("locate: before any frame", app.locate(full, &info, &joints.found));
  print("locate: flags before any frame", joints.at[0].locationFlags);
  print("locate: 16 joints of 16", app.locate(legs, &info, &fewer.found));
  print("locate: no tracker", app.locate(XR_NULL_HANDLE, &info, &joints.found));
  print("locate: 16 joints of 24", app.locate(full, &info, &fewer.found));
  print("locate: 24 joints of 16", app.locate(legs, &info, &joints.found));
  print("locate: no info", app.locate(full, nullptr, &joints.found));
  print("locate: nowhere to write", app.locate(full, &info, nullptr));
  joints.found.jointLocations = nullptr;
  print("locate: no joints", app.locate(full, &info, &joints.found));
  joints.found.jointLocations = joints.at.data();
  joints.found.type = XR_TYPE_SPACE_LOCATION;
  print("locate: wrong type", app.locate(full, &info, &joints.found));
  joints.found.type = XR_TYPE_BODY_JOINT_LOCATIONS_BD;
  for (const XrTime time : {int64_t{0}, int64_t{-1}, int64_t{1}}) {
    info = when(stage, time);
    print(("locate: time " + std::to_string(time)).c_str(), app.locate(full, &info, &joints.found));
  }
  info = when(XR_NULL_HANDLE, now);
  print("locate: no space", app.locate(full, &info, &joints.found));
  info = when((XrSpace)(uintptr_t)99, now);
  print("locate: no space of ours", app.locate(full, &info, &joints.found));
}

// Threads that create, locate and destroy body trackers of one session; how many calls failed.
int storm(App& app, XrSpace stage) {
  std::vector<std::thread> threads;
  std::array<int, 4> failed{};
  for (int& mine : failed)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 200; ++turn) {
        Joints joints(24);
        XrBodyTrackerBD tracker = XR_NULL_HANDLE;
        const auto info = when(stage, kTimeOfMonotonicZero + 5'000'000'000 + turn);
        mine += app.body_tracker(XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD, &tracker) != XR_SUCCESS;
        mine += app.locate(tracker, &info, &joints.found) != XR_SUCCESS;
        mine += app.destroy(tracker) != XR_SUCCESS;
      }
    });
  for (auto& thread : threads) thread.join();
  return failed[0] + failed[1] + failed[2] + failed[3];
}

int misuse() {
  App app;
  need("open", app.open({XR_MND_HEADLESS_EXTENSION_NAME, XR_BD_BODY_TRACKING_EXTENSION_NAME}));
  need("find", app.find("xrCreateBodyTrackerBD", app.create));
  const XrSpace stage = app.space(XR_REFERENCE_SPACE_TYPE_STAGE);
  XrBodyTrackerBD full = XR_NULL_HANDLE, legs = XR_NULL_HANDLE, left = XR_NULL_HANDLE;
  misuse_creation(app, &full);
  print("number before a tracker", app.number(app.instance));
  need("full", app.body_tracker(XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD, &full));
  need("legs", app.body_tracker(XR_BODY_JOINT_SET_BODY_WITHOUT_ARM_BD, &legs));
  const same_tracker number = app.number(app.instance);
  print("number is the symbol's", number != 0 && number == number_by_symbol(app.instance));
  print("number of no instance", app.number(XR_NULL_HANDLE));
  misuse_location(app, full, legs, stage);
  print("calls that failed in a storm", storm(app, stage));
  print("destroy: no tracker", app.destroy(XR_NULL_HANDLE));
  print("destroy", app.destroy(full));
  print("destroy: again", app.destroy(full));
  print("number while one is left", app.number(app.instance) == number);
  need("session", xrDestroySession(app.session));
  const auto info = when(stage, kTimeOfMonotonicZero + 1);
  Joints fewer(16);
  print("locate: after its session", app.locate(legs, &info, &fewer.found));
  print("number after the session", app.number(app.instance));
  same_pose pose;
  same_pose_init(&pose, sizeof pose);
  print("the SDK's tracker is closed", same_latest(number, &pose));
  need("session", app.open_session());
  need("left", app.body_tracker(XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD, &left));
  print("closed by the driver", same_close(app.number(app.instance)));
  const auto later = when(app.space(XR_REFERENCE_SPACE_TYPE_STAGE), kTimeOfMonotonicZero + 1);
  Joints joints(24);
  print("locate: closed by the driver", app.locate(left, &later, &joints.found));
  need("xrDestroyInstance", xrDestroyInstance(app.instance));
  return 0;
}

void print_numbers(const double* numbers, size_t count) {
  for (size_t i = 0; i < count; ++i) std::printf(" %a", numbers[i]);
}

void print_pose(const same_pose& pose) {
  std::printf("pose %d %d", pose.status, pose.has_skeleton);
  for (const float confidence : pose.joint_confidence) std::printf(" %a", double{confidence});
  print_numbers(&pose.device_orientations[0][0], 4 * SAME_DEVICES);
  print_numbers(&pose.skeleton_joints[0][0], 3 * SAME_JOINTS);
  print_numbers(&pose.rotations_world[0][0], 4 * SAME_JOINTS);
  print_numbers(&pose.offsets[0][0], 3 * SAME_JOINTS);
  std::printf("\n");
}

void print_joints(const char* space, const Joints& joints) {
  std::printf("%s %u", space, joints.found.allJointPosesTracked);
  for (const auto& [flags, pose] : joints.at) {
    const auto& [q, p] = pose;
    std::printf(" %" PRIx64, flags);
    for (const float part : {q.x, q.y, q.z, q.w, p.x, p.y, p.z}) std::printf(" %a", double{part});
  }
  std::printf("\n");
}

// What the driver puts in: samples as they are, and whole frames, of which each is tracked.
class Driver {
 public:
  Driver(const char* path, same_tracker tracker)
      : tracker_(tracker), file_(path, std::ios::binary) {
    char magic[8];
    raw_camera cameras[2];
    if (!file_.read(magic, sizeof magic) || std::memcmp(magic, RAW_MAGIC, sizeof magic) != 0 ||
        !file_.read(reinterpret_cast<char*>(cameras), sizeof cameras))
      need("the recording", XR_ERROR_RUNTIME_FAILURE);
    width_ = cameras[0].width;
    pixels_.resize(2 * static_cast<size_t>(width_) * static_cast<size_t>(cameras[0].height));
  }

  // Up to and with the next frame, whose time it gives; 0 at the end.
  int64_t next_frame() {
    raw_sample raw;
    while (file_.read(reinterpret_cast<char*>(&raw), sizeof raw)) {
      if (raw.kind == RAW_FRAME) return push(raw);
      const auto kind = static_cast<int32_t>(raw.kind);
      if (kind < 3)
        same_put_pose(tracker_, kind, raw.timestamp_ns, raw.position, raw.orientation_xyzw,
                      raw.arrival_ns);
      else
        same_put_leg(tracker_, kind, raw.timestamp_ns, raw.orientation_xyzw, raw.acceleration,
                     raw.arrival_ns);
    }
    return 0;
  }

 private:
  int64_t push(const raw_sample& raw) {
    same_frame frame;
    same_pose pose;
    same_frame_init(&frame, sizeof frame);
    same_pose_init(&pose, sizeof pose);
    frame.timestamp_ns = raw.timestamp_ns;
    frame.left_row_stride = frame.right_row_stride = width_;
    const size_t size = pixels_.size() / 2;
    for (unsigned view = 0; view < 2; ++view) {
      if (!(raw.images >> view & 1)) continue;
      uint8_t* const image = pixels_.data() + view * size;
      file_.read(reinterpret_cast<char*>(image), static_cast<std::streamsize>(size));
      (view ? frame.right : frame.left) = image;
    }
    if (same_push_frame(tracker_, &frame, raw.arrival_ns, &pose) != SAME_OK) {
      std::fprintf(stderr, "openxr_app: %s\n", same_last_error());
      std::exit(1);
    }
    return raw.timestamp_ns;
  }

  same_tracker tracker_;
  std::ifstream file_;
  int32_t width_ = 0;
  std::vector<uint8_t> pixels_;
};

int track(const char* recording, int frames) {
  App app;
  need("open", app.open({XR_MND_HEADLESS_EXTENSION_NAME, XR_BD_BODY_TRACKING_EXTENSION_NAME}));
  need("find", app.find("xrCreateBodyTrackerBD", app.create));
  const bool has_stage = !std::getenv("STUB_NO_STAGE");
  const auto floor = has_stage ? XR_REFERENCE_SPACE_TYPE_STAGE : kLocalFloorSpace;
  const struct {
    const char* name;
    XrSpace space;
  } spaces[] = {
      {"stage", app.space(floor)},
      {"moved", app.space(floor, {{0, 0, 0.6F, 0.8F}, {0.25F, -1.0F, 3.0F}})},
      {"local", app.space(XR_REFERENCE_SPACE_TYPE_LOCAL)},
      {"view", app.space(XR_REFERENCE_SPACE_TYPE_VIEW)},
  };
  XrBodyTrackerBD full = XR_NULL_HANDLE, legs = XR_NULL_HANDLE;
  need("full", app.body_tracker(XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD, &full));
  need("legs", app.body_tracker(XR_BODY_JOINT_SET_BODY_WITHOUT_ARM_BD, &legs));
  const same_tracker tracker = app.number(app.instance);
  Driver driver(recording, tracker);
  for (int frame = 1; frame <= frames; ++frame) {
    const int64_t at_ns = driver.next_frame() + 8'000'000;  // when it will be shown
    if (frame % 10 != 0) continue;
    same_pose pose;
    same_pose_init(&pose, sizeof pose);
    if (same_at_time(tracker, at_ns, &pose) != SAME_OK) return 1;
    print_pose(pose);
    for (const auto& [name, space] : spaces) {
      const auto info = when(space, at_ns + kTimeOfMonotonicZero);
      Joints joints(24), fewer(16);
      need("xrLocateBodyJointsBD", app.locate(full, &info, &joints.found));
      print_joints(name, joints);
      need("xrLocateBodyJointsBD", app.locate(legs, &info, &fewer.found));
      print_joints((std::string(name) + "-without-arms").c_str(), fewer);
    }
  }
  need("xrDestroyInstance", xrDestroyInstance(app.instance));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "create") return create({argv + 2, argv + argc});
  if (mode == "misuse") return misuse();
  if (mode == "track" && argc == 4) return track(argv[2], std::atoi(argv[3]));
  return 2;
}
