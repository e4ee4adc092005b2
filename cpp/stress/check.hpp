// A check that cannot be compiled away, unlike assert.
#pragma once

#include <cstdio>
#include <cstdlib>

#define SAME_CHECK(condition)                                                      \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(EXIT_FAILURE);                                                     \
    }                                                                              \
  } while (false)
