#pragma once
#include <cblas.h>
#include <stddef.h>

// LAPACK's symmetric eigen-decomposition, which OpenBLAS holds; Debian ships its C prototypes in another package. The two
// last parameters are the lengths that Fortran passes for its two character arguments.
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
            const int *lwork, int *info, size_t jobz_length, size_t uplo_length);
