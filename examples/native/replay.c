/* Replays a raw recording through the C ABI and prints every pose, exactly: C99, no C++.
 *
 *   replay BUNDLE RECORDING.raw [LIBONNXRUNTIME]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raw_recording.h"
#include "same/same.h"

/* Both have the same fields in the same order. */
typedef char cameras_agree[sizeof(raw_camera) == sizeof(same_camera) ? 1 : -1];

static int fail(const char* what) {
  fprintf(stderr, "replay: %s: %s\n", what, same_last_error());
  return 1;
}

static int wrong_file(const char* path) {
  fprintf(stderr, "replay: %s: expected what write_raw.py writes\n", path);
  return 1;
}

static void print_pose(const same_pose* pose) {
  int i;
  printf("%" PRId64 " %d", pose->timestamp_ns, (int)pose->status);
  for (i = 0; i < pose->reason_count; ++i)
    printf("%c%s", i == 0 ? ' ' : ',', same_reason_name(pose->reasons[i]));
  printf("\n");
  for (i = 0; i < SAME_JOINTS; ++i) {
    const double* joint = pose->joints_world[i];
    printf("  %-14s %a %a %a\n", same_joint_name(i), joint[0], joint[1], joint[2]);
  }
}

/* A sample goes in, a frame's pose comes out. */
static same_result take(same_tracker tracker, const raw_sample* raw, const same_frame* frame,
                        same_pose* pose) {
  if (raw->kind == RAW_FRAME) return same_push_frame(tracker, frame, raw->arrival_ns, pose);
  if (raw->kind < 3)
    return same_put_pose(tracker, (int32_t)raw->kind, raw->timestamp_ns, raw->position,
                         raw->orientation_xyzw, raw->arrival_ns);
  return same_put_leg(tracker, (int32_t)raw->kind, raw->timestamp_ns, raw->orientation_xyzw,
                      raw->acceleration, raw->arrival_ns);
}

/* False when the file ends in the middle of them. */
static int read_images(FILE* file, uint32_t there, uint8_t* pixels, int32_t width, int32_t height,
                       same_frame* frame) {
  const size_t size = (size_t)width * (size_t)height;
  frame->left_row_stride = frame->right_row_stride = width;
  if (there & 1) {
    frame->left = pixels;
    if (fread(pixels, 1, size, file) != size) return 0;
  }
  if (there & 2) {
    frame->right = pixels + size;
    if (fread(pixels + size, 1, size, file) != size) return 0;
  }
  return 1;
}

static int replay(same_tracker tracker, FILE* file, const char* path, uint8_t* pixels,
                  int32_t width, int32_t height) {
  raw_sample raw;
  int refused = 0;
  while (fread(&raw, sizeof raw, 1, file) == 1) {
    same_frame frame;
    same_pose pose;
    same_result result;
    same_frame_init(&frame, sizeof frame);
    same_pose_init(&pose, sizeof pose);
    frame.timestamp_ns = raw.timestamp_ns;
    if (raw.kind > RAW_FRAME ||
        (raw.kind == RAW_FRAME && !read_images(file, raw.images, pixels, width, height, &frame)))
      return wrong_file(path);
    result = take(tracker, &raw, &frame, &pose);
    if (result == SAME_ERROR_TIMESTAMP || result == SAME_ERROR_INVALID)
      ++refused; /* a faulty sample of the recording's; tracking goes on */
    else if (result != SAME_OK)
      return fail("replay");
    else if (raw.kind == RAW_FRAME)
      print_pose(&pose);
  }
  fprintf(stderr, "%d samples refused\n", refused);
  return 0;
}

int main(int argc, char** argv) {
  same_options options;
  same_tracker tracker;
  same_rig rig;
  char magic[8];
  uint8_t* pixels;
  FILE* file;
  int failed;
  if (argc < 3) {
    fprintf(stderr, "usage: replay BUNDLE RECORDING.raw [LIBONNXRUNTIME]\n");
    return 2;
  }
  if (same_abi_version() != SAME_ABI_VERSION) {
    fprintf(stderr, "replay: built for another version of the library\n");
    return 1;
  }
  file = fopen(argv[2], "rb");
  if (!file || fread(magic, 1, sizeof magic, file) != sizeof magic ||
      memcmp(magic, RAW_MAGIC, sizeof magic) != 0)
    return wrong_file(argv[2]);
  same_rig_init(&rig, sizeof rig);
  if (fread(&rig.left, sizeof rig.left, 1, file) != 1 ||
      fread(&rig.right, sizeof rig.right, 1, file) != 1)
    return wrong_file(argv[2]);
  same_options_init(&options, sizeof options);
  options.threads = 1;
  if (argc > 3) options.onnxruntime_path = argv[3];
  if (same_open(argv[1], &rig, &options, &tracker) != SAME_OK) return fail("same_open");
  pixels = malloc(2 * (size_t)rig.left.width * (size_t)rig.left.height);
  if (!pixels) return 1;
  failed = replay(tracker, file, argv[2], pixels, rig.left.width, rig.left.height);
  free(pixels);
  fclose(file);
  if (same_close(tracker) != SAME_OK) return fail("same_close");
  return failed;
}
