/* C ABI of the operator's CUDA kernel: everything a host needs, no CUDA or TensorRT header. */
#ifndef SAME_CUDA_DEFORM_ATTN_H
#define SAME_CUDA_DEFORM_ATTN_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int views, channels, height, width; /* V, D, Hf, Wf */
  int joints, heads, points;          /* J, M, K */
  int hidden, shell_points;           /* H, N_s */
  float delta;                        /* half length of the shell, m */
  int pe_sum;                         /* 1: leave the attention weights out of `position` */
  int half;                           /* 1: tensors marked T are IEEE half, else float32 */
  int channels_last;                  /* 1: features are (V, Hf, Wf, D) */
} SameDeformAttnShape;

/* Device addresses of C-contiguous tensors; all but those marked T are float32. */
typedef struct {
  const void* features;  /* T (V, D, Hf, Wf) */
  const void* rays;      /* (V, 3, Hf, Wf), cam_left axes */
  const void* origins;   /* (V, 3), m, cam_left */
  const void* locations; /* (V, J, M, K, 2), feature pixels (x, y), centres at integers */
  const void* weights;   /* T (V, J, M, K) */
  const void* depth;     /* (V, J), m */
  const void* w1;        /* T (H, 3 N_s), columns x0 y0 z0 x1 ... */
  const void* b1;        /* T (H) */
  void* sampled;         /* T (V, J, M, D) */
  void* position;        /* T (V, J, M, H) */
} SameDeformAttnTensors;

/* Queue one launch on `stream` (a cudaStream_t). Returns a cudaError_t, 0 on success. */
int same_deform_attn_launch(const SameDeformAttnShape* shape, const SameDeformAttnTensors* tensors,
                            void* stream);

#ifdef __cplusplus
}
#endif

#endif
