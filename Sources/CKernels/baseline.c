// The kernels for every x86-64 processor and for other architectures.
#include "kernels/tables.h"

#define LANES 8
#define LEVEL diptych_level_baseline
#define TABLE diptych_kernels_baseline
#include "kernels/table.h"

