#include "arguments.h"

namespace nvml_mig::fuzz {
namespace {

bool EndsWith(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

bool IsLetter(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

Parameter::Parameter(std::string_view name)
    : isCount(EndsWith(name, "ount") || EndsWith(name, "ength") || EndsWith(name, "ize")),
      isTimeout(name.find("imeout") != std::string_view::npos) {}

Parameters::Parameters(std::string_view list) {
  if (list == "(void)") return;
  std::string_view name;
  for (std::size_t at = 0; at < list.size(); at++) {
    if (!IsLetter(list[at])) {
      if ((list[at] == ',' || list[at] == ')') && !name.empty()) {
        each.emplace_back(name);
        hasCount |= each.back().isCount;
        isMigList |= name == "profileId";
      }
      continue;
    }
    const std::size_t from = at;
    while (at + 1 < list.size() && IsLetter(list[at + 1])) at++;
    name = list.substr(from, at + 1 - from);
  }
}

void Fill(Source& from, char* memory, std::size_t bytes) {
  std::memset(memory, 0, bytes);
  const std::uint8_t way = from.bytes.Byte() % 8;
  if (way < 2) return;
  // The first elements only: a list may be long.
  const std::size_t some = std::min<std::size_t>(bytes, 512);
  if (way < 5) {
    for (std::size_t at = 0; at < some; at += 4) memory[at] = static_cast<char>(from.bytes.Byte());
  } else if (way < 7) {
    for (std::size_t at = 0; at < some; at++) memory[at] = static_cast<char>(from.bytes.Byte());
  } else if (const std::string* text = from.known->texts.At(from.bytes.Byte()); text != nullptr) {
    memory[0] = static_cast<char>(from.bytes.Byte());
    if (bytes > 8) {
      memory[4] = static_cast<char>(from.bytes.Byte());
      text->copy(memory + 8, bytes - 8);
    }
  }
}

std::string MakeText(Source& from) {
  const std::uint8_t way = from.bytes.Byte();
  const std::string* seen = way < 192 ? from.known->texts.At(way % 16) : nullptr;
  std::string text;
  if (seen != nullptr) {
    text = *seen;
    if (way >= 128) text[from.bytes.Byte() % text.size()] = static_cast<char>(from.bytes.Byte());
  } else {
    text.resize(from.bytes.Byte() % 64);
    for (char& c : text) c = static_cast<char>(from.bytes.Byte());
  }
  return text;
}

}  // namespace nvml_mig::fuzz
