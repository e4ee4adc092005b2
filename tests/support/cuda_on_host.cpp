// Runs the CUDA kernel's own source on the CPU: one std::thread per CUDA thread, one block at a
// time, so that its indexing, its barrier and its results are tested without a GPU.
#include <barrier>
#include <thread>
#include <vector>

struct Index {
  unsigned x;
};
thread_local Index threadIdx;
Index blockIdx, blockDim;
std::barrier<>* block_barrier;
inline void __syncthreads() { block_barrier->arrive_and_wait(); }

#define __device__
#define __global__
#define __shared__
#define __forceinline__ inline
#include "deform_attn_kernel.cuh"

namespace same {
SharedPoint shared_points[64];
}

extern "C" void run_on_host(int threads, int blocks, const float* const* in, float* sampled,
                            float* position, const int* shape, float delta) {
  std::barrier<> barrier(threads);
  block_barrier = &barrier;
  blockDim.x = static_cast<unsigned>(threads);
  for (blockIdx.x = 0; blockIdx.x < static_cast<unsigned>(blocks); ++blockIdx.x) {
    std::vector<std::jthread> block;
    for (int thread = 0; thread < threads; ++thread)
      block.emplace_back([=] {
        threadIdx.x = static_cast<unsigned>(thread);
        same_deform_attn_fp32(in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], sampled,
                              position, shape[0], shape[1], shape[2], shape[3], shape[4], shape[5],
                              shape[6], shape[7], delta, shape[8], shape[9]);
      });
  }
}
