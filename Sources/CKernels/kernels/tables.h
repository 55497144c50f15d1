#pragma once
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

extern const diptych_kernels diptych_kernels_baseline;
#if defined(__x86_64__)
extern const diptych_kernels diptych_kernels_avx2;
extern const diptych_kernels diptych_kernels_avx512;
#endif
