// One sentence for a person: why something was refused.
#ifndef NVML_MIG_SIMULATOR_REASON_H
#define NVML_MIG_SIMULATOR_REASON_H

#include <cstdarg>
#include <cstdio>

namespace nvml_mig::simulator {

struct Reason {
  char text[256] = "";

  __attribute__((format(printf, 2, 3))) void Say(const char* format, ...) {
    va_list values;
    va_start(values, format);
    std::vsnprintf(text, sizeof(text), format, values);
    va_end(values);
  }
};

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_REASON_H
