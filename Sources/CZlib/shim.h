// zlib needs no wrapper: its macros that start a stream are called by the functions beneath them.
#pragma once
#include <zlib.h>
