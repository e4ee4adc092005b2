// XR_BD_body_tracking: the SDK's pose as 24 joints in the space that the app asks for.
#include <algorithm>
#include <atomic>

#include "instance.hpp"
#include "same/openxr_body.hpp"

namespace same::openxr {
namespace {

constexpr XrPosef kIdentity{{0.0F, 0.0F, 0.0F, 1.0F}, {0.0F, 0.0F, 0.0F}};
constexpr XrSpaceLocationFlags kAllFlags =
    kOrientationValid | kPositionValid | kOrientationTracked | kPositionTracked;

template <typename Row, size_t N, size_t Columns>
void copy_rows(const double (&from)[N][Columns], std::array<Row, N>& rows) {
  static_assert(sizeof(Row) == sizeof from[0]);
  std::copy_n(&from[0][0], N * Columns, reinterpret_cast<double*>(rows.data()));
}

// What the joints are made from.
OpenXrBody to_body(const same_pose& given) {
  Pose pose;
  pose.status = static_cast<PoseStatus>(given.status);
  std::copy_n(given.joint_confidence, kNumJoints, pose.joint_confidence.begin());
  for (size_t device = 0; device < kNumDevices; ++device) {
    const double* q = given.device_orientations[device];
    if (std::any_of(q, q + 4, [](double part) { return part != 0; }))
      pose.device_orientations[device] = Quaternion{q[0], q[1], q[2], q[3]};
  }
  Skeleton skeleton;
  copy_rows(given.skeleton_joints, skeleton.solved.joints);
  copy_rows(given.rotations_world, skeleton.solved.rotations);
  copy_rows(given.offsets, skeleton.offsets);
  return openxr_body(pose, skeleton);
}

XrPosef moved(const XrPosef& T_base_world, const Vec3& position, const Quaternion& orientation) {
  const XrQuaternionf& o = T_base_world.orientation;
  const XrVector3f& t = T_base_world.position;
  const Quaternion turn = normalised({o.x, o.y, o.z, o.w});
  const Quaternion q = turn * orientation;
  const Vec3 p = rotate(turn, position) + Vec3{t.x, t.y, t.z};
  const auto f = [](double value) { return static_cast<float>(value); };
  return {{f(q.x), f(q.y), f(q.z), f(q.w)}, {f(p[0]), f(p[1]), f(p[2])}};
}

void write(const OpenXrBody& body, const XrSpaceLocation& world,
           XrBodyJointLocationsBD& locations) {
  // A base space that is not known says nothing, one that is not tracked makes nothing tracked.
  XrSpaceLocationFlags known = world.locationFlags & kAllFlags;
  if (!(known & kOrientationValid)) known = 0;
  locations.allJointPosesTracked = XR_TRUE;
  for (size_t joint = 0; joint < locations.jointLocationCount; ++joint) {
    XrBodyJointLocationBD& out = locations.jointLocations[joint];
    out.locationFlags = body.flags[joint] & known;
    out.pose = out.locationFlags
                   ? moved(world.pose, body.positions[joint], body.orientations[joint])
                   : kIdentity;
    if (out.locationFlags != kAllFlags) locations.allJointPosesTracked = XR_FALSE;
  }
}

// STAGE, or the floor below the user where the runtime has no stage.
XrResult create_world(const NextFunctions& next, XrSession session, XrSpace& world) {
  auto info = of_type<XrReferenceSpaceCreateInfo>(XR_TYPE_REFERENCE_SPACE_CREATE_INFO);
  info.poseInReferenceSpace = kIdentity;
  info.referenceSpaceType = XR_REFERENCE_SPACE_TYPE_STAGE;
  const XrResult result = next.create_reference_space(session, &info, &world);
  if (result != XR_ERROR_REFERENCE_SPACE_UNSUPPORTED) return result;
  info.referenceSpaceType = kLocalFloorSpace;
  return next.create_reference_space(session, &info, &world);
}

XrBodyTrackerBD new_handle() {
  static std::atomic<uintptr_t> newest{0};
  return (XrBodyTrackerBD)(++newest);  // a pointer or a number, as the platform has it
}

XrResult refuse(const Instance& instance, XrResult result, const char* why) {
  instance.say(XR_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT, "xrCreateBodyTrackerBD", why);
  return result;
}

XrResult create(XrSession handle, const XrBodyTrackerCreateInfoBD* info, XrBodyTrackerBD* tracker) {
  const auto session = sessions().find(handle);
  if (!session || !session->instance->acts) return XR_ERROR_HANDLE_INVALID;
  const auto& instance = session->instance;
  if (!info || info->type != XR_TYPE_BODY_TRACKER_CREATE_INFO_BD || !tracker ||
      (info->jointSet != XR_BODY_JOINT_SET_BODY_WITHOUT_ARM_BD &&
       info->jointSet != XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD))
    return XR_ERROR_VALIDATION_FAILURE;
  if (!can_track(*instance))
    return refuse(*instance, XR_ERROR_FEATURE_UNSUPPORTED,
                  instance->next.convert_time
                      ? "SAME_OPENXR_BUNDLE: expected the folder of a bundle, it is not set"
                      : "the runtime has no XR_KHR_convert_timespec_time");
  const auto body = std::make_shared<BodyTracker>();
  body->instance = instance;
  body->session = handle;
  body->joints = info->jointSet == XR_BODY_JOINT_SET_FULL_BODY_JOINTS_BD
                     ? XR_BODY_JOINT_COUNT_BD
                     : XR_BODY_JOINT_WITHOUT_ARM_COUNT_BD;
  std::string problem;
  body->tracker = OpenTracker::open(instance, problem);
  if (!body->tracker) return refuse(*instance, XR_ERROR_RUNTIME_FAILURE, problem.c_str());
  const XrResult result = create_world(instance->next, handle, body->world);
  if (result == XR_ERROR_REFERENCE_SPACE_UNSUPPORTED || result == XR_ERROR_VALIDATION_FAILURE)
    return refuse(*instance, XR_ERROR_RUNTIME_FAILURE,
                  "the runtime has neither a STAGE nor a LOCAL_FLOOR space");
  if (XR_FAILED(result)) return result;
  *tracker = new_handle();
  body_trackers().put(*tracker, body);
  return result;
}

XrResult locate(const std::shared_ptr<BodyTracker>& body, const XrBodyJointsLocateInfoBD* info,
                XrBodyJointLocationsBD* locations) {
  if (!body) return XR_ERROR_HANDLE_INVALID;
  if (!info || info->type != XR_TYPE_BODY_JOINTS_LOCATE_INFO_BD || !locations ||
      locations->type != XR_TYPE_BODY_JOINT_LOCATIONS_BD || !locations->jointLocations ||
      locations->jointLocationCount != body->joints)
    return XR_ERROR_VALIDATION_FAILURE;
  if (info->baseSpace == XR_NULL_HANDLE) return XR_ERROR_HANDLE_INVALID;
  if (info->time <= 0) return XR_ERROR_TIME_INVALID;
  const Instance& instance = *body->instance;
  auto world = of_type<XrSpaceLocation>(XR_TYPE_SPACE_LOCATION);
  const XrResult located =
      instance.next.locate_space(body->world, info->baseSpace, info->time, &world);
  if (XR_FAILED(located)) return located;
  timespec time{};
  const XrResult converted = instance.next.convert_time(instance.handle, info->time, &time);
  if (XR_FAILED(converted)) return converted;
  same_pose pose;
  same_pose_init(&pose, sizeof pose);
  const int64_t monotonic_ns = 1'000'000'000 * static_cast<int64_t>(time.tv_sec) + time.tv_nsec;
  const same_result found = same_at_time(body->tracker->number(), monotonic_ns, &pose);
  if (found == SAME_ERROR_TIMESTAMP) return XR_ERROR_TIME_INVALID;
  if (found != SAME_OK) {
    std::call_once(body->told, [&] {
      instance.say(XR_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT, "xrLocateBodyJointsBD",
                   same_last_error());
    });
    return XR_ERROR_RUNTIME_FAILURE;
  }
  write(pose.has_skeleton ? to_body(pose) : OpenXrBody{}, world, *locations);
  return located;
}

}  // namespace

// Without the runtime's time conversion nobody knows which clock XrTime is.
bool can_track(const Instance& instance) {
  return instance.next.convert_time && OpenTracker::is_configured();
}

XrResult XRAPI_CALL create_body_tracker(XrSession session, const XrBodyTrackerCreateInfoBD* info,
                                        XrBodyTrackerBD* tracker) {
  return guarded([&] { return create(session, info, tracker); });
}

XrResult XRAPI_CALL destroy_body_tracker(XrBodyTrackerBD handle) {
  return guarded([&]() -> XrResult {
    const auto body = body_trackers().take(handle);
    if (!body) return XR_ERROR_HANDLE_INVALID;
    body->instance->next.destroy_space(body->world);
    return XR_SUCCESS;
  });
}

XrResult XRAPI_CALL locate_body_joints(XrBodyTrackerBD handle, const XrBodyJointsLocateInfoBD* info,
                                       XrBodyJointLocationsBD* locations) {
  return guarded([&] { return locate(body_trackers().find(handle), info, locations); });
}

}  // namespace same::openxr
