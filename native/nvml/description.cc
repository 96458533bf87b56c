#include "description.h"

#include "devices.h"
#include "text.h"

namespace nvml {
namespace {

// What a call writes into a field of `size` characters.
template <std::size_t size, typename Call>
Told<std::string> told_text(Call call) {
  char text[size] = {};
  const Status status = call(text, static_cast<unsigned>(size));
  return {status, text_of(text)};
}

}  // namespace

Description describe_gpu(const Library& nvml, nvmlDevice_t device) {
  Description told;
  told.name.status = read_name(nvml, device, &told.name.value);
  told.serial = told_text<NVML_DEVICE_SERIAL_BUFFER_SIZE>([&](char* text, unsigned length) {
    return nvml.nvmlDeviceGetSerial(device, text, length);
  });
  told.board_part_number =
      told_text<NVML_DEVICE_PART_NUMBER_BUFFER_SIZE>([&](char* text, unsigned length) {
        return nvml.nvmlDeviceGetBoardPartNumber(device, text, length);
      });
  told.vbios_version =
      told_text<NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE>([&](char* text, unsigned length) {
        return nvml.nvmlDeviceGetVbiosVersion(device, text, length);
      });
  nvmlPciInfo_t pci{};
  told.pci.status = nvml.nvmlDeviceGetPciInfo_v3(device, &pci);
  told.pci.value = {pci.pciDeviceId, pci.pciSubSystemId, text_of(pci.busId)};
  int major = 0, minor = 0;
  told.compute_capability.status = nvml.nvmlDeviceGetCudaComputeCapability(device, &major, &minor);
  told.compute_capability.value = {static_cast<unsigned>(major), static_cast<unsigned>(minor)};
  told.minor_number.status = nvml.nvmlDeviceGetMinorNumber(device, &told.minor_number.value);
  told.brand.status = nvml.nvmlDeviceGetBrand(device, &told.brand.value);
  told.architecture.status = nvml.nvmlDeviceGetArchitecture(device, &told.architecture.value);
  told.max_mig_devices.status =
      nvml.nvmlDeviceGetMaxMigDeviceCount(device, &told.max_mig_devices.value);
  return told;
}

}  // namespace nvml
