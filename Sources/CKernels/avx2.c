// The kernels for processors with AVX2 and fused multiply-add.
#include "kernels/tables.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx,avx2,fma,f16c,bmi,bmi2"))), apply_to = function)
#define LANES 8
#define LEVEL diptych_level_avx2
#define TABLE diptych_kernels_avx2
#include "kernels/table.h"
#pragma clang attribute pop
#endif
