// The snapshot of snapshot.mjs in C++: the same NVML calls on the same library, pointers resolved once.
//   snapshot_native LIBRARY, then on standard input a number of rounds
// Each line is answered by one: the nanoseconds of the rounds, then the calls that the simulator counted.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <vector>

#include "abi/nvml_abi.h"
#include "abi/simulator_control.h"

namespace {

#define NVML_SYMBOL(name, ret, args) ret(*name) args = nullptr;
#include "abi/symbols.h"

constexpr const char* kNames[] = {
#define NVML_SYMBOL(name, ret, args) #name,
#include "abi/symbols.h"
};

unsigned long long sink = 0;  // what was read, so that nothing is optimised away

// A call with one number at its end.
template <typename Call, typename... Which>
void number(Call call, nvmlDevice_t gpu, Which... which) {
  unsigned value = 0;
  if (call(gpu, which..., &value) == NVML_SUCCESS) sink += value;
}

void describe(nvmlDevice_t gpu) {
  char text[NVML_DEVICE_NAME_V2_BUFFER_SIZE]{};
  nvmlDeviceGetName(gpu, text, sizeof text);
  nvmlDeviceGetSerial(gpu, text, NVML_DEVICE_SERIAL_BUFFER_SIZE);
  nvmlDeviceGetBoardPartNumber(gpu, text, NVML_DEVICE_PART_NUMBER_BUFFER_SIZE);
  nvmlDeviceGetVbiosVersion(gpu, text, NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE);
  nvmlPciInfo_t pci{};
  nvmlDeviceGetPciInfo_v3(gpu, &pci);
  int major = 0, minor = 0;
  nvmlDeviceGetCudaComputeCapability(gpu, &major, &minor);
  sink += text[0] + pci.bus + major + minor;
  number(nvmlDeviceGetMinorNumber, gpu);
  number(nvmlDeviceGetBrand, gpu);
  number(nvmlDeviceGetArchitecture, gpu);
  number(nvmlDeviceGetMaxMigDeviceCount, gpu);
}

void amounts(nvmlDevice_t device) {
  nvmlMemory_v2_t memory{};
  memory.version = nvmlMemory_v2;
  nvmlDeviceGetMemoryInfo_v2(device, &memory);
  nvmlBAR1Memory_t bar1{};
  nvmlDeviceGetBAR1MemoryInfo(device, &bar1);
  sink += memory.free + bar1.bar1Free;
}

void readings(nvmlDevice_t gpu) {
  for (auto call : {nvmlDeviceGetPowerUsage, nvmlDeviceGetPowerManagementLimit,
                    nvmlDeviceGetEnforcedPowerLimit, nvmlDeviceGetPowerManagementDefaultLimit,
                    nvmlDeviceGetPerformanceState, nvmlDeviceGetCurrPcieLinkGeneration,
                    nvmlDeviceGetMaxPcieLinkGeneration, nvmlDeviceGetCurrPcieLinkWidth,
                    nvmlDeviceGetMaxPcieLinkWidth, nvmlDeviceGetPcieReplayCounter,
                    nvmlDeviceGetPersistenceMode, nvmlDeviceGetComputeMode}) {
    number(call, gpu);
  }
  number(nvmlDeviceGetTemperature, gpu, NVML_TEMPERATURE_GPU);
  for (unsigned clock = 0; clock < NVML_CLOCK_COUNT; clock++) {
    number(nvmlDeviceGetClockInfo, gpu, clock);
    number(nvmlDeviceGetMaxClockInfo, gpu, clock);
  }
  nvmlUtilization_t rates{};
  nvmlDeviceGetUtilizationRates(gpu, &rates);
  for (auto call : {nvmlDeviceGetEncoderUtilization, nvmlDeviceGetDecoderUtilization,
                    nvmlDeviceGetJpgUtilization, nvmlDeviceGetOfaUtilization}) {
    unsigned percent = 0, period = 0;
    call(gpu, &percent, &period);
    sink += percent;
  }
  unsigned current = 0, pending = 0;
  nvmlDeviceGetEccMode(gpu, &current, &pending);
  for (unsigned type = 0; type < 2; type++) {
    for (unsigned since = 0; since < 2; since++) {
      unsigned long long errors = 0;
      nvmlDeviceGetTotalEccErrors(gpu, type, since, &errors);
      sink += errors + rates.gpu + current;
    }
  }
}

void processes(nvmlDevice_t device) {
  for (auto call :
       {nvmlDeviceGetComputeRunningProcesses_v3, nvmlDeviceGetGraphicsRunningProcesses_v3,
        nvmlDeviceGetMPSComputeRunningProcesses_v3}) {
    unsigned count = 0;
    call(device, &count, nullptr);
    sink += count;
  }
}

void compute_instances(const std::vector<nvmlGpuInstance_t>& live) {
  std::vector<nvmlComputeInstanceProfileInfo_v3_t> offered;
  for (unsigned slot = 0; slot < 32; slot++) {
    nvmlComputeInstanceProfileInfo_v3_t info{};
    info.version = nvmlComputeInstanceProfileInfo_v3;
    auto* v2 = reinterpret_cast<nvmlComputeInstanceProfileInfo_v2_t*>(&info);
    nvmlReturn_t code = nvmlGpuInstanceGetComputeInstanceProfileInfoV(live[0], slot, 0, v2);
    if (code == NVML_ERROR_INVALID_ARGUMENT) {
      v2->version = nvmlComputeInstanceProfileInfo_v2;
      code = nvmlGpuInstanceGetComputeInstanceProfileInfoV(live[0], slot, 0, v2);
      nvmlComputeInstanceProfileInfo_t v1{};
      code = nvmlGpuInstanceGetComputeInstanceProfileInfo(live[0], slot, 0, &v1);
      if (code == NVML_ERROR_INVALID_ARGUMENT) break;
    }
    if (code == NVML_SUCCESS) offered.push_back(info);
  }
  nvmlGpuInstanceInfo_t again{};
  nvmlGpuInstanceGetInfo(live[0], &again);
  for (const auto& info : offered) {
    unsigned count = 0;
    nvmlGpuInstanceGetComputeInstancePossiblePlacements(live[0], info.id, nullptr, &count);
    std::vector<nvmlComputeInstancePlacement_t> places(count + 1);
    nvmlGpuInstanceGetComputeInstancePossiblePlacements(live[0], info.id, places.data(), &count);
    sink += places[0].size;
  }
  for (nvmlGpuInstance_t owner : live) {
    for (const auto& info : offered) {
      std::vector<nvmlComputeInstance_t> handles(info.instanceCount + 16);
      unsigned count = 0;
      nvmlGpuInstanceGetComputeInstances(owner, info.id, handles.data(), &count);
      for (unsigned i = 0; i < count; i++) {
        nvmlComputeInstanceInfo_t compute{};
        nvmlComputeInstanceGetInfo_v2(handles[i], &compute);
        sink += compute.id;
      }
    }
  }
}

void profiles(nvmlDevice_t gpu) {
  std::vector<nvmlGpuInstanceProfileInfo_v3_t> listed;
  for (unsigned slot = 0; slot < 32; slot++) {
    nvmlGpuInstanceProfileInfo_v3_t info{};
    info.version = nvmlGpuInstanceProfileInfo_v3;
    auto* v2 = reinterpret_cast<nvmlGpuInstanceProfileInfo_v2_t*>(&info);
    nvmlReturn_t code = nvmlDeviceGetGpuInstanceProfileInfoV(gpu, slot, v2);
    if (code == NVML_ERROR_INVALID_ARGUMENT) {
      v2->version = nvmlGpuInstanceProfileInfo_v2;
      code = nvmlDeviceGetGpuInstanceProfileInfoV(gpu, slot, v2);
      nvmlGpuInstanceProfileInfo_t v1{};
      code = nvmlDeviceGetGpuInstanceProfileInfo(gpu, slot, &v1);
      if (code == NVML_ERROR_INVALID_ARGUMENT) break;
    }
    if (code == NVML_SUCCESS) listed.push_back(info);
  }
  for (const auto& info : listed) {
    number(nvmlDeviceGetGpuInstanceRemainingCapacity, gpu, info.id);
    unsigned count = 0;
    nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, info.id, nullptr, &count);
    std::vector<nvmlGpuInstancePlacement_t> places(count + 1);
    nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, info.id, places.data(), &count);
    std::vector<nvmlGpuInstance_t> live(info.instanceCount + 16);
    nvmlDeviceGetGpuInstances(gpu, info.id, live.data(), &count);
    live.resize(count);
    for (nvmlGpuInstance_t instance : live) {
      nvmlGpuInstanceInfo_t seen{};
      nvmlGpuInstanceGetInfo(instance, &seen);
      sink += seen.id + places[0].size;
    }
    if (!live.empty()) compute_instances(live);
  }
}

void mig_devices(nvmlDevice_t gpu) {
  unsigned most = 0;
  nvmlDeviceGetMaxMigDeviceCount(gpu, &most);
  for (unsigned i = 0; i < most; i++) {
    nvmlDevice_t mig = nullptr;
    if (nvmlDeviceGetMigDeviceHandleByIndex(gpu, i, &mig) != NVML_SUCCESS) continue;
    unsigned gi = 0, ci = 0;
    nvmlDeviceGetGpuInstanceId(mig, &gi);
    nvmlDeviceGetComputeInstanceId(mig, &ci);
    nvmlGpuInstance_t gpu_instance = nullptr;
    nvmlGpuInstanceInfo_t gpu_instance_info{};
    nvmlDeviceGetGpuInstanceById(gpu, gi, &gpu_instance);
    nvmlGpuInstanceGetInfo(gpu_instance, &gpu_instance_info);
    nvmlComputeInstance_t compute_instance = nullptr;
    nvmlComputeInstanceInfo_t compute_instance_info{};
    nvmlGpuInstanceGetComputeInstanceById(gpu_instance, ci, &compute_instance);
    nvmlComputeInstanceGetInfo_v2(compute_instance, &compute_instance_info);
    char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE]{}, name[NVML_DEVICE_NAME_V2_BUFFER_SIZE]{};
    number(nvmlDeviceGetIndex, mig);
    nvmlDeviceGetUUID(mig, uuid, sizeof uuid);
    nvmlDeviceGetName(mig, name, sizeof name);
    nvmlDeviceAttributes_t attributes{};
    nvmlDeviceGetAttributes_v2(mig, &attributes);
    sink += attributes.multiprocessorCount + uuid[5] + name[5];
    amounts(mig);
    processes(mig);
  }
}

void snapshot(const std::vector<nvmlDevice_t>& gpus) {
  for (nvmlDevice_t gpu : gpus) {
    describe(gpu);
    amounts(gpu);
    unsigned current = 0, pending = 0;
    nvmlDeviceGetMigMode(gpu, &current, &pending);
    readings(gpu);
    profiles(gpu);
    mig_devices(gpu);
  }
}

}  // namespace

int main(int argc, char** argv) {
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (library == nullptr) return std::fprintf(stderr, "usage: snapshot_native LIBRARY\n"), 1;
#define NVML_SYMBOL(name, ret, args) \
  name = reinterpret_cast<decltype(name)>(dlsym(library, #name));
#include "abi/symbols.h"
  const void* table = nullptr;
  unsigned count = 0;
  if (nvmlInit_v2() != NVML_SUCCESS || nvmlDeviceGetCount_v2(&count) != NVML_SUCCESS ||
      nvmlInternalGetExportTable(&table, kSimulatorControlGuid) != NVML_SUCCESS) {
    return std::fprintf(stderr, "%s has no simulated GPU\n", argv[1]), 1;
  }
  std::vector<nvmlDevice_t> gpus(count);
  for (unsigned i = 0; i < count; i++) nvmlDeviceGetHandleByIndex_v2(i, &gpus[i]);
  const auto* control = static_cast<const SimulatorControl*>(table);
  const auto calls = [&] {
    unsigned long long sum = 0;
    for (const char* name : kNames) sum += control->calls(name);
    return sum;
  };
  unsigned rounds = 0;
  while (std::scanf("%u", &rounds) == 1) {
    const auto before = calls();
    const auto start = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < rounds; i++) snapshot(gpus);
    const auto took = std::chrono::steady_clock::now() - start;
    std::printf("%lld %llu\n", static_cast<long long>(std::chrono::nanoseconds(took).count()),
                calls() - before);
    std::fflush(stdout);
  }
  nvmlShutdown();
  return sink == 0;
}
