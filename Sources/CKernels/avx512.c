// The kernels for processors with the AVX-512 of Skylake servers and later.
#include "kernels/tables.h"

#if defined(__x86_64__)
#pragma clang attribute push( \
    __attribute__((target("avx,avx2,fma,f16c,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define LANES 16
#define LEVEL diptych_level_avx512
#define TABLE diptych_kernels_avx512
#include "kernels/table.h"
#pragma clang attribute pop
#endif
