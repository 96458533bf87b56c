#include "client.h"

#include "calls.h"
#include "simulator/exported.h"
#include "simulator/image_layout.h"

namespace nvml_mig::fuzz {
namespace {

template <class Visit>
void EachGpu(Visit visit) {
  unsigned gpus = 0;
  nvmlDeviceGetCount_v2(&gpus);
  for (unsigned gpu = 0; gpu < gpus; gpu++) {
    nvmlDevice_t device;
    MUST(nvmlDeviceGetHandleByIndex_v2(gpu, &device) == NVML_SUCCESS, "There is no GPU %u.", gpu);
    visit(gpu, device);
  }
}

void AddUuid(nvmlDevice_t device, Known* known) {
  char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
  if (nvmlDeviceGetUUID(device, text, sizeof(text)) == NVML_SUCCESS) known->texts.Add(text);
}

void EnableMig(unsigned gpu, nvmlDevice_t device) {
  nvmlReturn_t activation = NVML_SUCCESS;
  nvmlDeviceSetMigMode(device, NVML_DEVICE_MIG_ENABLE, &activation);
  if (activation != NVML_SUCCESS && Command(kSimulatorReset, {gpu}) != NVML_SUCCESS) {
    Command(kSimulatorReboot);
  }
}

void CreateAll(nvmlDevice_t device) {
  for (unsigned slot = 0; slot < NVML_GPU_INSTANCE_PROFILE_COUNT; slot++) {
    nvmlGpuInstanceProfileInfo_t profile;
    nvmlGpuInstance_t instance;
    nvmlComputeInstance_t compute;
    if (nvmlDeviceGetGpuInstanceProfileInfo(device, slot, &profile) != NVML_SUCCESS ||
        nvmlDeviceCreateGpuInstance(device, profile.id, &instance) != NVML_SUCCESS) {
      continue;
    }
    for (unsigned id = 0; id < NVML_COMPUTE_INSTANCE_PROFILE_COUNT; id++) {
      if (nvmlGpuInstanceCreateComputeInstance(instance, id, &compute) == NVML_SUCCESS) break;
    }
  }
}

}  // namespace

void Learn(Known* known) {
  EachGpu([&](unsigned, nvmlDevice_t device) {
    for (unsigned i = 0; i < simulator::kMaxGpuInstances; i++) {
      nvmlDevice_t mig;
      if (nvmlDeviceGetMigDeviceHandleByIndex(device, i, &mig) != NVML_SUCCESS) continue;
      known->Add(mig);
      AddUuid(mig, known);
    }
    for (unsigned id = 0; id < 15; id++) {
      nvmlGpuInstance_t instance;
      nvmlComputeInstance_t compute;
      if (nvmlDeviceGetGpuInstanceById(device, id, &instance) != NVML_SUCCESS) continue;
      known->Add(instance);
      if (nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute) == NVML_SUCCESS) {
        known->Add(compute);
      }
    }
    known->Add(device);
    AddUuid(device, known);
    nvmlPciInfo_t pci;
    if (nvmlDeviceGetPciInfo_v3(device, &pci) == NVML_SUCCESS) known->texts.Add(pci.busId);
  });
}

void BringToLife() {
  Command(kSimulatorReboot);
  Command(kSimulatorSetRights, {simulator::kRootRight});
  EachGpu(EnableMig);
  EachGpu([](unsigned, nvmlDevice_t device) { CreateAll(device); });
}

}  // namespace nvml_mig::fuzz
