// Text as it comes from NVML: bytes in a fixed field, which nobody promised to end.
#ifndef NVML_MIG_NVML_TEXT_H
#define NVML_MIG_NVML_TEXT_H

#include <cstddef>
#include <cstring>
#include <string>

namespace nvml {

template <std::size_t size>
std::string text_of(const char (&field)[size]) {
  return {field, strnlen(field, size)};
}

}  // namespace nvml

#endif  // NVML_MIG_NVML_TEXT_H
