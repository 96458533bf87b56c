// Devices: how many, which is which, what they are called. What they are made of: abi_board.cc.
#include <cstring>

#include "calls.h"
#include "identity.h"

using namespace nvml_mig::simulator;

namespace {

// The first forms of these calls pass over GPUs that the caller may not open; the later ones count
// them, and refuse the handle.
enum class Denied { kCounted, kPassedOver };

bool HasIndex(unsigned gpu, Denied denied) {
  const Sight sight = SightOf(CallersView(), gpu);
  return sight == Sight::kDenied ? denied == Denied::kCounted : sight != Sight::kAbsent;
}

// How many GPUs below `end` have an index.
unsigned CountBelow(unsigned end, Denied denied) {
  unsigned count = 0;
  for (unsigned gpu = 0; gpu < end; gpu++) count += HasIndex(gpu, denied);
  return count;
}

nvmlReturn_t GiveCount(const Image& image, Denied denied, unsigned* count) {
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *count = CountBelow(image.gpu_count(), denied);
  return NVML_SUCCESS;
}

// A GPU that is lost or wants a reset is not handed out.
nvmlReturn_t GiveGpu(const Image& image, unsigned gpu, nvmlDevice_t* device) {
  switch (SightOf(CallersView(), gpu)) {
    case Sight::kDenied:
      return NVML_ERROR_NO_PERMISSION;
    case Sight::kAbsent:
      return NVML_ERROR_NOT_FOUND;
    case Sight::kWhole:
    case Sight::kParts:
      break;
  }
  NodeState node;
  GpuState live;
  image.ReadGpu(gpu, &node, &live);
  if (live.health != 0) return HealthOf(live);
  *device = GpuHandle(image, gpu);
  return NVML_SUCCESS;
}

nvmlReturn_t GiveByIndex(const Image& image, Denied denied, unsigned index,
                         nvmlDevice_t* device) {
  if (device == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (HasIndex(gpu, denied) && CountBelow(gpu, denied) == index) {
      return GiveGpu(image, gpu, device);
    }
  }
  return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t GiveByPciBusId(const Image& image, const char* text, nvmlDevice_t* device) {
  PciAddress address;
  if (text == nullptr || device == nullptr || !ParsePciAddress(text, &address)) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    const GpuBoard& board = image.boards()[gpu];
    if (board.pciDomain == address.domain && board.pciBus == address.bus &&
        board.pciDevice == address.device && address.function == 0) {
      return GiveGpu(image, gpu, device);
    }
  }
  return NVML_ERROR_NOT_FOUND;
}

bool IsGpu(const GpuBoard& board, const Uuid& uuid) {
  DeviceName name;
  return ParseDeviceName(board.uuid, &name) && name.form == DeviceName::Form::kGpu &&
         name.uuid == uuid;
}

// The first MIG device, of those that the caller sees, for which is(board, device) holds.
template <class Is>
nvmlReturn_t GiveMigDevice(const Image& image, nvmlDevice_t* device, Is is) {
  State state;
  image.Read(&state);
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    const GpuBoard& board = image.boards()[gpu];
    const GpuView at = {image.node(),    board,
                        state.node,      state.gpus[gpu],
                        gpu,             CallerRights(state.node),
                        VisibleDevices(CallersView(), gpu)};
    for (const GpuInstance& instance : state.gpus[gpu].gpuInstances) {
      if (instance.stamp == 0) continue;
      for (const ComputeInstance& compute : instance.computeInstances) {
        const MigDevice mig = {&instance, &compute};
        if (compute.stamp == 0 || !IsVisible(at, mig) || !is(board, mig)) continue;
        if (state.gpus[gpu].health != 0) return HealthOf(state.gpus[gpu]);
        *device = MigHandle(image, gpu, mig);
        return NVML_SUCCESS;
      }
    }
  }
  return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t GiveGpuByUuid(const Image& image, const Uuid& uuid, nvmlDevice_t* device) {
  for (unsigned gpu = 0; gpu < image.gpu_count(); gpu++) {
    if (IsGpu(image.boards()[gpu], uuid)) return GiveGpu(image, gpu, device);
  }
  return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t GiveMigByUuid(const Image& image, const Uuid& uuid, nvmlDevice_t* device) {
  if (image.node().legacyMigUuids != 0) return NVML_ERROR_NOT_FOUND;
  return GiveMigDevice(image, device, [&](const GpuBoard& board, const MigDevice& mig) {
    return std::memcmp(MigDeviceUuid(board, mig), uuid.bytes, sizeof(uuid.bytes)) == 0;
  });
}

nvmlReturn_t GiveByName(const Image& image, const char* text, nvmlDevice_t* device) {
  DeviceName name;
  if (!ParseDeviceName(text, &name)) return NVML_ERROR_INVALID_ARGUMENT;
  switch (name.form) {
    case DeviceName::Form::kGpu:
      return GiveGpuByUuid(image, name.uuid, device);
    case DeviceName::Form::kMig:
      return GiveMigByUuid(image, name.uuid, device);
    case DeviceName::Form::kMigOfParent:
      break;
  }
  nvmlDevice_t parent;
  const nvmlReturn_t code = GiveGpuByUuid(image, name.uuid, &parent);
  if (code != NVML_SUCCESS) return code;
  return GiveMigDevice(image, device, [&](const GpuBoard& board, const MigDevice& mig) {
    return mig.instance->id == name.gpuInstance && mig.compute->id == name.computeInstance &&
           IsGpu(board, name.uuid);
  });
}

}  // namespace

nvmlReturn_t played::nvmlDeviceGetCount(unsigned int* deviceCount) {
  NVML_MIG_ENTER();
  return GiveCount(*image, Denied::kPassedOver, deviceCount);
}

nvmlReturn_t played::nvmlDeviceGetCount_v2(unsigned int* deviceCount) {
  NVML_MIG_ENTER();
  return GiveCount(*image, Denied::kCounted, deviceCount);
}

nvmlReturn_t played::nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t* device) {
  NVML_MIG_ENTER();
  return GiveByIndex(*image, Denied::kPassedOver, index, device);
}

nvmlReturn_t played::nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t* device) {
  NVML_MIG_ENTER();
  return GiveByIndex(*image, Denied::kCounted, index, device);
}

nvmlReturn_t played::nvmlDeviceGetHandleByPciBusId(const char* pciBusId, nvmlDevice_t* device) {
  NVML_MIG_ENTER();
  const nvmlReturn_t code = GiveByPciBusId(*image, pciBusId, device);
  return code == NVML_ERROR_NO_PERMISSION ? NVML_ERROR_NOT_FOUND : code;
}

nvmlReturn_t played::nvmlDeviceGetHandleByPciBusId_v2(const char* pciBusId, nvmlDevice_t* device) {
  NVML_MIG_ENTER();
  return GiveByPciBusId(*image, pciBusId, device);
}

nvmlReturn_t played::nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  NVML_MIG_ENTER();
  if (uuid == nullptr || device == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return GiveByName(*image, uuid, device);
}

nvmlReturn_t played::nvmlDeviceGetHandleByUUIDV(const nvmlUUID_v1_t* uuid, nvmlDevice_t* device) {
  NVML_MIG_ENTER();
  if (uuid == nullptr || device == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (uuid->version != nvmlUUID_v1) return VersionMismatch(image->node());
  switch (uuid->type) {
    case NVML_UUID_TYPE_ASCII:
      if (std::memchr(uuid->value.str, 0, sizeof(uuid->value.str)) == nullptr) break;
      return GiveByName(*image, uuid->value.str, device);
    case NVML_UUID_TYPE_BINARY: {
      Uuid bytes;
      std::memcpy(bytes.bytes, uuid->value.bytes, sizeof(bytes.bytes));
      const nvmlReturn_t code = GiveGpuByUuid(*image, bytes, device);
      return code == NVML_ERROR_NOT_FOUND ? GiveMigByUuid(*image, bytes, device) : code;
    }
  }
  return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t played::nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int* index) {
  NVML_MIG_ENTER();
  if (index == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  *index = subject.compute == nullptr ? CountBelow(subject.handle.gpu, Denied::kCounted)
                                      : IndexOf(subject);
  return NVML_SUCCESS;
}

nvmlReturn_t played::nvmlDeviceGetName(nvmlDevice_t device, char* name, unsigned int length) {
  NVML_MIG_ENTER();
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if (subject.compute == nullptr) return GiveText(name, length, subject.board->name);
  const ComputeProfile& profile = ProfileOf(*subject.board, *subject.instance, *subject.compute);
  char text[sizeof(subject.board->name) + sizeof(profile.name)];
  std::snprintf(text, sizeof(text), "%s %s", subject.board->name, profile.name);
  return GiveText(name, length, text);
}

nvmlReturn_t played::nvmlDeviceGetUUID(nvmlDevice_t device, char* uuid, unsigned int length) {
  NVML_MIG_ENTER();
  Subject subject;
  const nvmlReturn_t code = ResolveDevice(*image, device, &subject);
  if (code != NVML_SUCCESS) return code;
  if (subject.compute == nullptr) return GiveText(uuid, length, subject.board->uuid);
  char text[sizeof(subject.board->uuid) + 16];
  if (image->node().legacyMigUuids != 0) {
    std::snprintf(text, sizeof(text), "MIG-%s/%u/%u", subject.board->uuid, subject.instance->id,
                  subject.compute->id);
  } else {
    char digits[kUuidTextBytes];
    FormatUuid(MigDeviceUuid(*subject.board, subject.mig()), digits);
    std::snprintf(text, sizeof(text), "MIG-%s", digits);
  }
  return GiveText(uuid, length, text);
}
