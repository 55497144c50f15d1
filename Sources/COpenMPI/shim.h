#pragma once
// MPI's handles and some constants are macros with casts, which Swift cannot import: one function each, nothing else.
#include <mpi.h>

static inline MPI_Comm diptych_mpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm diptych_mpi_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Datatype diptych_mpi_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype diptych_mpi_float(void) { return MPI_FLOAT; }
static inline MPI_Errhandler diptych_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Request diptych_mpi_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Status *diptych_mpi_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
