#pragma once
#include <oneapi/dnnl/dnnl.h>

// oneDNN computes with OpenMP threads; a rank has one, which only these calls can say once the process runs.
void omp_set_num_threads(int count);
int omp_get_max_threads(void);
