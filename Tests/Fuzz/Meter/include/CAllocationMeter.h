#pragma once
#include <stdint.h>

// Counts what a program takes from the heap, by whatever library: whoever links this gets its malloc and its kin, which
// pass on to the C library's. Counts lie in memory that is shared with children, so that a parent reads them after a
// child's death.

// Begins to count anew: bytes that are held now count as none.
void diptych_meter_start(void);

// The most bytes held at once since the start; a request that was refused counts as if it had been granted.
int64_t diptych_meter_peak(void);

// A number that the child leaves for its parent; 0 at the start.
void diptych_meter_leave(int64_t value);
int64_t diptych_meter_left(void);

// fork(2), which Swift hides: for a process of one thread.
int diptych_meter_fork(void);

// Takes from the calling process what goes beyond some bytes of address space, seconds of processor time and bytes of a
// file, and its core dumps; 0 when that was done. A process out of time dies of SIGXCPU.
int diptych_meter_limit(int64_t addressSpace, int64_t seconds, int64_t fileSize);
