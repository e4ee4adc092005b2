/* For the device driver in the process of an OpenXR app that runs with this project's API layer:
 * where the samples and images go. See docs/native.md. */
#ifndef SAME_OPENXR_H
#define SAME_OPENXR_H

#include <openxr/openxr.h>

#include "same/same.h"

#define SAME_OPENXR_LAYER_NAME "XR_APILAYER_SAME_body_tracking"

#ifdef __cplusplus
extern "C" {
#endif

/* The tracker behind the body trackers of `instance`; 0 while the app has none, or where the layer
 * does not act. From any thread.
 *
 * The layer opens and closes it; it is never started by the layer: the driver calls same_start()
 * once, or same_push_frame() for each frame. Samples are in the space that the layer takes for the
 * tracker's world: the runtime's STAGE, or LOCAL_FLOOR where it has no STAGE. Stamps are
 * nanoseconds of CLOCK_MONOTONIC. When a call answers SAME_ERROR_HANDLE the app has destroyed its
 * last body tracker: ask for the number again.
 *
 * xrGetInstanceProcAddr(instance, "same_openxr_tracker", ...) finds this function too. */
typedef same_tracker(XRAPI_PTR* PFN_same_openxr_tracker)(XrInstance instance);
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
same_tracker XRAPI_CALL same_openxr_tracker(XrInstance instance);

#ifdef __cplusplus
}
#endif

#endif /* SAME_OPENXR_H */
