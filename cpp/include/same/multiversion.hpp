// SAME_MULTIVERSION compiles a hot loop also for AVX2 and picks one when the module loads.
#pragma once

#if defined(__linux__)
#include <features.h>
#endif

// Needs ifunc, which musl lacks; sanitizers start too late for its resolvers.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__AVX2__)
#define SAME_MULTIVERSION __attribute__((target_clones("arch=haswell", "default")))
#else
#define SAME_MULTIVERSION
#endif
