#include "program.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace nvml_mig::fuzz {

void Fail(const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::vfprintf(stderr, format, values);
  va_end(values);
  std::fputc('\n', stderr);
  std::abort();
}

}  // namespace nvml_mig::fuzz
