// libpng needs no wrapper: only its simplified interface is used, which keeps its long jumps to itself.
#pragma once
#include <png.h>
