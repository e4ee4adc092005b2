#include <cuda_runtime.h>

#include "deform_attn.h"
#include "deform_attn_kernel.cuh"

namespace {

template <typename Scalar, typename Kernel>
cudaError_t launch(Kernel kernel, const SameDeformAttnShape& shape,
                   const SameDeformAttnTensors& tensors, cudaStream_t stream) {
  const int rows = shape.views * shape.joints * shape.heads;
  const int items = shape.channels + shape.hidden;
  const int threads = items >= 512 ? 512 : (items + 31) / 32 * 32;
  const size_t shared = static_cast<size_t>(shape.points) * sizeof(same::SharedPoint);
  cudaGetLastError();  // what failed before is not this launch's failure
  kernel<<<static_cast<unsigned>(rows), static_cast<unsigned>(threads), shared, stream>>>(
      static_cast<const Scalar*>(tensors.features), static_cast<const float*>(tensors.rays),
      static_cast<const float*>(tensors.origins), static_cast<const float*>(tensors.locations),
      static_cast<const Scalar*>(tensors.weights), static_cast<const float*>(tensors.depth),
      static_cast<const Scalar*>(tensors.w1), static_cast<const Scalar*>(tensors.b1),
      static_cast<Scalar*>(tensors.sampled), static_cast<Scalar*>(tensors.position), shape.channels,
      shape.height, shape.width, shape.joints, shape.heads, shape.points, shape.hidden,
      shape.shell_points, shape.delta, shape.pe_sum, shape.channels_last);
  return cudaGetLastError();
}

}  // namespace

int same_deform_attn_launch(const SameDeformAttnShape* shape, const SameDeformAttnTensors* tensors,
                            void* stream) {
  if (shape->views < 1 || shape->channels < 1 || shape->height < 1 || shape->width < 1 ||
      shape->joints < 1 || shape->heads < 1 || shape->points < 1 || shape->hidden < 1 ||
      shape->shell_points < 1)
    return cudaErrorInvalidValue;
  const auto on = static_cast<cudaStream_t>(stream);
  return shape->half ? launch<same::Half>(same_deform_attn_fp16, *shape, *tensors, on)
                     : launch<float>(same_deform_attn_fp32, *shape, *tensors, on);
}
