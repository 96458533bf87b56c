#include "arguments.h"

#include <cmath>

namespace nvml_mig {
namespace {

[[noreturn]] void refuse(const Napi::Value& value, const std::string& sentence) {
  throw Napi::TypeError::New(value.Env(), sentence);
}

}  // namespace

std::uint32_t number_of(const Napi::Value& value, const std::string& what) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= 0 && number <= 0xffffffff && number == std::floor(number)) {
      return static_cast<std::uint32_t>(number);
    }
  }
  refuse(value, what + " must be a whole number from 0 to 4294967295");
}

std::vector<std::uint32_t> numbers_of(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) refuse(value, what + " must be an array of numbers");
  const auto array = value.As<Napi::Array>();
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < array.Length(); i++) {
    numbers.push_back(number_of(array.Get(i), what + "[" + std::to_string(i) + "]"));
  }
  return numbers;
}

std::string text_of(const Napi::Value& value, const std::string& what) {
  if (value.IsString()) {
    std::string text = value.As<Napi::String>().Utf8Value();
    if (!text.empty() && text.find('\0') == std::string::npos) return text;
  }
  refuse(value, what + " must be a string that is not empty and has no NUL in it");
}

}  // namespace nvml_mig
