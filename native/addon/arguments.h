// Arguments from JavaScript, each refused by a TypeError that says what would be right.
#ifndef NVML_MIG_ADDON_ARGUMENTS_H
#define NVML_MIG_ADDON_ARGUMENTS_H

#include <napi.h>

#include <string>
#include <vector>

namespace nvml_mig {

// A whole number that fits in 32 bits; `what` names it in the error.
std::uint32_t number_of(const Napi::Value& value, const std::string& what);

// An array of such numbers.
std::vector<std::uint32_t> numbers_of(const Napi::Value& value, const std::string& what);

// Text that is not empty and holds no NUL: NVML and the loader would read it only as far as that.
std::string text_of(const Napi::Value& value, const std::string& what);

}  // namespace nvml_mig

#endif  // NVML_MIG_ADDON_ARGUMENTS_H
