#define _GNU_SOURCE
#include "CAllocationMeter.h"
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

// The C library's own, under the names that it keeps for those who replace malloc.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);

struct counts {
    _Atomic int64_t held, peak, left;
};

static struct counts own;
static struct counts *counts = &own;

static void raise_peak(int64_t held)
{
    int64_t peak = atomic_load(&counts->peak);
    while (held > peak && !atomic_compare_exchange_weak(&counts->peak, &peak, held)) {
    }
}

static int64_t usable(void *memory) { return memory ? (int64_t)malloc_usable_size(memory) : 0; }

// Notes that `memory` was got in place of a block that had `old` bytes, or that `wanted` bytes were refused.
static void *note(void *memory, int64_t old, size_t wanted)
{
    if (memory) {
        int64_t change = usable(memory) - old;
        raise_peak(atomic_fetch_add(&counts->held, change) + change);
    } else if (wanted > 0) {
        int64_t room = INT64_MAX / 2;
        raise_peak(atomic_load(&counts->held) + ((int64_t)wanted < 0 || (int64_t)wanted > room ? room : (int64_t)wanted));
    }
    return memory;
}

void *malloc(size_t size) { return note(__libc_malloc(size), 0, size); }

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
    return note(__libc_calloc(count, size), 0, bytes);
}

void *realloc(void *memory, size_t size)
{
    int64_t old = usable(memory);
    void *other = __libc_realloc(memory, size);
    if (!other && size == 0) {
        atomic_fetch_sub(&counts->held, old);
        return NULL;
    }
    return note(other, old, size);
}

void *memalign(size_t alignment, size_t size) { return note(__libc_memalign(alignment, size), 0, size); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) || !alignment || alignment & (alignment - 1)) return EINVAL;
    void *memory = memalign(alignment, size);
    if (!memory && size > 0) return ENOMEM;
    *result = memory;
    return 0;
}

void free(void *memory)
{
    int kept = errno;
    if (memory) atomic_fetch_sub(&counts->held, usable(memory));
    __libc_free(memory);
    errno = kept;
}

void diptych_meter_start(void)
{
    if (counts == &own) {
        void *page = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) abort();
        counts = page;
    }
    atomic_store(&counts->held, 0);
    atomic_store(&counts->peak, 0);
    atomic_store(&counts->left, 0);
}

int64_t diptych_meter_peak(void) { return atomic_load(&counts->peak); }

void diptych_meter_leave(int64_t value) { atomic_store(&counts->left, value); }

int64_t diptych_meter_left(void) { return atomic_load(&counts->left); }

int diptych_meter_fork(void) { return fork(); }

static int limit(int resource, int64_t soft, int64_t hard)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit)) return -1;
    // A lower limit of the caller's own stays.
    if ((rlim_t)hard < limit.rlim_max) limit.rlim_max = (rlim_t)hard;
    if ((rlim_t)soft < limit.rlim_cur) limit.rlim_cur = (rlim_t)soft;
    if (limit.rlim_cur > limit.rlim_max) limit.rlim_cur = limit.rlim_max;
    return setrlimit(resource, &limit);
}

int diptych_meter_limit(int64_t addressSpace, int64_t seconds, int64_t fileSize)
{
    // Whoever starts us may block the signal that ends a process out of time.
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL)) return -1;
    return limit(RLIMIT_AS, addressSpace, addressSpace) || limit(RLIMIT_CPU, seconds, seconds + 1)
        || limit(RLIMIT_CORE, 0, 0) || limit(RLIMIT_FSIZE, fileSize, fileSize);
}
