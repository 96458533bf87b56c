// The spellings of what a GPU or MIG device is called by: UUIDs and PCI addresses.
#ifndef NVML_MIG_SIMULATOR_IDENTITY_H
#define NVML_MIG_SIMULATOR_IDENTITY_H

#include <cstddef>
#include <cstdint>

namespace nvml_mig::simulator {

struct Uuid {
  std::uint8_t bytes[16];
  bool operator==(const Uuid&) const = default;
};

// "41414141-4242-4343-4444-454545454545" and nothing after it.
[[nodiscard]] bool ParseUuid(const char* text, Uuid* uuid);
inline constexpr std::size_t kUuidTextBytes = 37;
void FormatUuid(const std::uint8_t* bytes, char (&text)[kUuidTextBytes]);

// What nvmlDeviceGetHandleByUUID takes.
struct DeviceName {
  enum class Form {
    kGpu,          // GPU-<uuid>
    kMig,          // MIG-<uuid>
    kMigOfParent,  // MIG-GPU-<uuid>/<GPU instance id>/<compute instance id>
  };
  Form form;
  Uuid uuid;
  unsigned gpuInstance;
  unsigned computeInstance;
};
[[nodiscard]] bool ParseDeviceName(const char* text, DeviceName* name);

struct PciAddress {
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned function;
};
// "00000000:07:00.0", "0000:07:00.0" or "07:00.0", digits in either case.
[[nodiscard]] bool ParsePciAddress(const char* text, PciAddress* address);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_IDENTITY_H
