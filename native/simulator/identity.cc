#include "identity.h"

#include <cstdio>
#include <cstring>

namespace nvml_mig::simulator {
namespace {

// Reads a text from its start. After the first thing that does not fit, nothing fits any more.
class Cursor {
 public:
  explicit Cursor(const char* text) : at_(text) {}

  bool Literal(const char* wanted) {
    const std::size_t length = std::strlen(wanted);
    if (std::strncmp(at_, wanted, length) != 0) return false;
    at_ += length;
    return true;
  }
  // Exactly `digits` hexadecimal digits.
  bool Hex(unsigned digits, unsigned* value) {
    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
      const int digit = HexDigit(at_[i]);
      if (digit < 0) return false;
      *value = *value << 4 | static_cast<unsigned>(digit);
    }
    at_ += digits;
    return true;
  }
  // A decimal id: one to three digits.
  bool Decimal(unsigned* value) {
    *value = 0;
    unsigned digits = 0;
    for (; digits < 3 && *at_ >= '0' && *at_ <= '9'; digits++, at_++) {
      *value = *value * 10 + static_cast<unsigned>(*at_ - '0');
    }
    return digits != 0;
  }
  bool End() const { return *at_ == '\0'; }

 private:
  static int HexDigit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }
  const char* at_;
};

bool ReadUuid(Cursor& cursor, Uuid* uuid) {
  for (unsigned i = 0; i < sizeof(uuid->bytes); i++) {
    const bool dash = i == 4 || i == 6 || i == 8 || i == 10;
    unsigned byte;
    if ((dash && !cursor.Literal("-")) || !cursor.Hex(2, &byte)) return false;
    uuid->bytes[i] = static_cast<std::uint8_t>(byte);
  }
  return true;
}

bool ReadPciAddress(Cursor cursor, unsigned domainDigits, PciAddress* address) {
  address->domain = 0;
  return (domainDigits == 0 ||
          (cursor.Hex(domainDigits, &address->domain) && cursor.Literal(":"))) &&
         cursor.Hex(2, &address->bus) && cursor.Literal(":") && cursor.Hex(2, &address->device) &&
         cursor.Literal(".") && cursor.Hex(1, &address->function) && cursor.End();
}

}  // namespace

bool ParseUuid(const char* text, Uuid* uuid) {
  Cursor cursor(text);
  return ReadUuid(cursor, uuid) && cursor.End();
}

void FormatUuid(const std::uint8_t* b, char (&text)[kUuidTextBytes]) {
  std::snprintf(text, sizeof(text),
                "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                b[15]);
}

bool ParseDeviceName(const char* text, DeviceName* name) {
  *name = {};
  Cursor cursor(text);
  if (cursor.Literal("MIG-GPU-")) {
    name->form = DeviceName::Form::kMigOfParent;
    return ReadUuid(cursor, &name->uuid) && cursor.Literal("/") &&
           cursor.Decimal(&name->gpuInstance) && cursor.Literal("/") &&
           cursor.Decimal(&name->computeInstance) && cursor.End();
  }
  if (cursor.Literal("GPU-")) {
    name->form = DeviceName::Form::kGpu;
  } else if (cursor.Literal("MIG-")) {
    name->form = DeviceName::Form::kMig;
  } else {
    return false;
  }
  return ReadUuid(cursor, &name->uuid) && cursor.End();
}

bool ParsePciAddress(const char* text, PciAddress* address) {
  const Cursor cursor(text);
  return ReadPciAddress(cursor, 8, address) || ReadPciAddress(cursor, 4, address) ||
         ReadPciAddress(cursor, 0, address);
}

}  // namespace nvml_mig::simulator
