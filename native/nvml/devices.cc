#include "devices.h"

#include "text.h"

namespace nvml {
namespace {

DeviceIdentity identify(const Library& nvml, nvmlDevice_t device) {
  DeviceIdentity identity;
  (void)read_name(nvml, device, &identity.name);
  char serial[NVML_DEVICE_SERIAL_BUFFER_SIZE] = {};
  if (nvml.nvmlDeviceGetSerial(device, serial, sizeof serial).ok()) {
    identity.serial = text_of(serial);
  }
  unsigned number = 0;
  if (nvml.nvmlDeviceGetMinorNumber(device, &number).ok()) identity.minor_number = number;
  if (nvml.nvmlDeviceGetArchitecture(device, &number).ok()) identity.architecture = number;
  int major = 0, minor = 0;
  if (nvml.nvmlDeviceGetCudaComputeCapability(device, &major, &minor).ok()) {
    identity.compute_capability_major = static_cast<unsigned>(major);
    identity.compute_capability_minor = static_cast<unsigned>(minor);
  }
  nvmlPciInfo_t pci{};
  if (nvml.nvmlDeviceGetPciInfo_v3(device, &pci).ok()) {
    identity.pci_device_id = pci.pciDeviceId;
    identity.pci_subsystem_id = pci.pciSubSystemId;
    identity.bus_id = text_of(pci.busId);
  }
  Memory memory;
  if (read_memory(nvml, device, &memory).ok()) identity.memory_total_bytes = memory.total;
  MigMode mode;
  const Status answer = read_mig_mode(nvml, device, &mode);
  identity.mig_capable = answer.code != NVML_ERROR_NOT_SUPPORTED &&
                         answer.code != NVML_ERROR_FUNCTION_NOT_FOUND;
  return identity;
}

}  // namespace

Status Devices::list(const Library& nvml, std::vector<DeviceIdentity>* identities) {
  nvml_ = &nvml;
  for (Entry& entry : entries_) entry.handle = nullptr;
  unsigned count = 0;
  const Status status = nvml.nvmlDeviceGetCount_v2(&count);
  if (!status.ok()) return status;
  if (entries_.empty()) {
    entries_.resize(count);
  } else {
    meet(count);
  }
  for (unsigned gpu = 0; gpu < entries_.size(); gpu++) {
    DeviceIdentity identity;
    const Status opened = open(gpu);
    if (opened.ok()) {
      identity = identify(nvml, entries_[gpu].handle);
      identity.uuid = entries_[gpu].uuid;
    }
    identity.status = opened;
    identities->push_back(std::move(identity));
  }
  return {};
}

void Devices::meet(unsigned count) {
  for (unsigned index = 0; index < count; index++) {
    nvmlDevice_t device = nullptr;
    std::string uuid;
    if (!nvml_->nvmlDeviceGetHandleByIndex_v2(index, &device).ok() ||
        !read_uuid(*nvml_, device, &uuid).ok() || place_of(uuid) != kNone) {
      continue;
    }
    const bool has_room = index < entries_.size() && entries_[index].uuid.empty();
    if (!has_room) entries_.emplace_back();
    (has_room ? entries_[index] : entries_.back()).uuid = uuid;
  }
}

Status Devices::handle(unsigned gpu, nvmlDevice_t* device) {
  if (gpu >= entries_.size()) {
    return {NVML_ERROR_INVALID_ARGUMENT,
            static_cast<std::uint32_t>(Symbol::nvmlDeviceGetHandleByIndex_v2)};
  }
  if (entries_[gpu].handle == nullptr) {
    const Status status = open(gpu);
    if (!status.ok()) return status;
  }
  *device = entries_[gpu].handle;
  return {};
}

void Devices::drop_handle(unsigned gpu) {
  if (gpu < entries_.size()) entries_[gpu].handle = nullptr;
}

unsigned Devices::place_of(std::string_view uuid) const {
  for (unsigned gpu = 0; gpu < entries_.size(); gpu++) {
    if (!uuid.empty() && entries_[gpu].uuid == uuid) return gpu;
  }
  return kNone;
}

// Indices may name another GPU after one was lost, so an index is trusted once only, to learn
// the UUID.
Status Devices::open(unsigned gpu) {
  Entry& entry = entries_[gpu];
  nvmlDevice_t device = nullptr;
  if (!entry.uuid.empty()) {
    const Status status = nvml_->nvmlDeviceGetHandleByUUID(entry.uuid.c_str(), &device);
    if (status.ok()) entry.handle = device;
    return status;
  }
  Status status = nvml_->nvmlDeviceGetHandleByIndex_v2(gpu, &device);
  if (!status.ok()) return status;
  status = read_uuid(*nvml_, device, &entry.uuid);
  if (status.ok()) entry.handle = device;
  return status;
}

Versions read_versions(const Library& nvml) {
  Versions versions;
  char driver[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE] = {};
  versions.driver_status = nvml.nvmlSystemGetDriverVersion(driver, sizeof driver);
  if (versions.driver_status.ok()) versions.driver = text_of(driver);
  char library[NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE] = {};
  versions.nvml_status = nvml.nvmlSystemGetNVMLVersion(library, sizeof library);
  if (versions.nvml_status.ok()) versions.nvml = text_of(library);
  int cuda = 0;
  Status& status = versions.cuda_status;
  status = nvml.nvmlSystemGetCudaDriverVersion_v2(&cuda);
  if (status.wants_older_form()) status = nvml.nvmlSystemGetCudaDriverVersion(&cuda);
  if (status.ok()) versions.cuda_driver = static_cast<unsigned>(cuda);
  return versions;
}

Status read_mig_mode(const Library& nvml, nvmlDevice_t device, MigMode* mode) {
  return nvml.nvmlDeviceGetMigMode(device, &mode->current, &mode->pending);
}

Status set_mig_mode(const Library& nvml, nvmlDevice_t device, bool on, unsigned* activation) {
  nvmlReturn_t result = NVML_SUCCESS;
  const Status status = nvml.nvmlDeviceSetMigMode(
      device, on ? NVML_DEVICE_MIG_ENABLE : NVML_DEVICE_MIG_DISABLE, &result);
  *activation = static_cast<unsigned>(result);
  return status;
}

Status read_memory(const Library& nvml, nvmlDevice_t device, Memory* memory) {
  nvmlMemory_v2_t v2{};
  v2.version = nvmlMemory_v2;
  Status status = nvml.nvmlDeviceGetMemoryInfo_v2(device, &v2);
  *memory = {v2.total, v2.free, v2.used, {status, v2.reserved}};
  if (!status.wants_older_form()) return status;
  nvmlMemory_t v1{};
  status = nvml.nvmlDeviceGetMemoryInfo(device, &v1);
  memory->total = v1.total;
  memory->free = v1.free;
  memory->used = v1.used;
  return status;
}

Told<nvmlBAR1Memory_t> read_bar1(const Library& nvml, nvmlDevice_t device) {
  Told<nvmlBAR1Memory_t> bar1;
  bar1.status = nvml.nvmlDeviceGetBAR1MemoryInfo(device, &bar1.value);
  return bar1;
}

Status read_uuid(const Library& nvml, nvmlDevice_t device, std::string* uuid) {
  char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = {};
  const Status status = nvml.nvmlDeviceGetUUID(device, text, sizeof text);
  if (status.ok()) *uuid = text_of(text);
  return status;
}

Status read_name(const Library& nvml, nvmlDevice_t device, std::string* name) {
  char text[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = {};
  const Status status = nvml.nvmlDeviceGetName(device, text, sizeof text);
  if (status.ok()) *name = text_of(text);
  return status;
}

}  // namespace nvml
