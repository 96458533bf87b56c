// The reads of read.mjs in C++: the same NVML calls on the same library, pointers resolved once.
//   read_native LIBRARY, then on standard input: "mode N" | "profiles N" | "devices N" (N times over)
// Each line is answered by one: the nanoseconds of the N rounds, then name=calls of every function
// the simulator counted in them.
#include <dlfcn.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "abi/nvml_abi.h"
#include "abi/simulator_control.h"

namespace {

struct Nvml {
#define NVML_SYMBOL(name, ret, args) ret(*name) args = nullptr;
#include "abi/symbols.h"
};

constexpr const char* kNames[] = {
#define NVML_SYMBOL(name, ret, args) #name,
#include "abi/symbols.h"
};

unsigned long long sink = 0;  // what was read, so that nothing is optimised away

void mode(const Nvml& nvml, nvmlDevice_t gpu) {
  unsigned current = 0, pending = 0;
  nvml.nvmlDeviceGetMigMode(gpu, &current, &pending);
  sink += current + pending;
}

void profiles(const Nvml& nvml, nvmlDevice_t gpu) {
  for (unsigned slot = 0; slot < 32; slot++) {
    nvmlGpuInstanceProfileInfo_v3_t info{};
    info.version = nvmlGpuInstanceProfileInfo_v3;
    auto* older = reinterpret_cast<nvmlGpuInstanceProfileInfo_v2_t*>(&info);
    nvmlReturn_t code = nvml.nvmlDeviceGetGpuInstanceProfileInfoV(gpu, slot, older);
    if (code == NVML_ERROR_INVALID_ARGUMENT) {
      nvmlGpuInstanceProfileInfo_v2_t v2{};
      v2.version = nvmlGpuInstanceProfileInfo_v2;
      code = nvml.nvmlDeviceGetGpuInstanceProfileInfoV(gpu, slot, &v2);
      nvmlGpuInstanceProfileInfo_t v1{};
      if (code == NVML_ERROR_INVALID_ARGUMENT) {
        code = nvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, slot, &v1);
      }
      if (code == NVML_ERROR_INVALID_ARGUMENT) break;
    }
    if (code != NVML_SUCCESS) continue;
    unsigned remaining = 0, count = 0;
    nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, info.id, &remaining);
    nvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, info.id, nullptr, &count);
    std::vector<nvmlGpuInstancePlacement_t> placements(count + 1);
    nvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, info.id, placements.data(), &count);
    sink += info.memorySizeMB + remaining + placements[0].size;
  }
}

void devices(const Nvml& nvml, nvmlDevice_t gpu) {
  unsigned most = 0;
  nvml.nvmlDeviceGetMaxMigDeviceCount(gpu, &most);
  for (unsigned i = 0; i < most; i++) {
    nvmlDevice_t mig = nullptr;
    if (nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, i, &mig) != NVML_SUCCESS) continue;
    unsigned gi = 0, ci = 0, index = 0;
    nvml.nvmlDeviceGetGpuInstanceId(mig, &gi);
    nvml.nvmlDeviceGetComputeInstanceId(mig, &ci);
    nvmlGpuInstance_t gpu_instance = nullptr;
    nvmlGpuInstanceInfo_t gpu_instance_info{};
    nvml.nvmlDeviceGetGpuInstanceById(gpu, gi, &gpu_instance);
    nvml.nvmlGpuInstanceGetInfo(gpu_instance, &gpu_instance_info);
    nvmlComputeInstance_t compute_instance = nullptr;
    nvmlComputeInstanceInfo_t compute_instance_info{};
    nvml.nvmlGpuInstanceGetComputeInstanceById(gpu_instance, ci, &compute_instance);
    nvml.nvmlComputeInstanceGetInfo_v2(compute_instance, &compute_instance_info);
    char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE]{}, name[NVML_DEVICE_NAME_V2_BUFFER_SIZE]{};
    nvml.nvmlDeviceGetIndex(mig, &index);
    nvml.nvmlDeviceGetUUID(mig, uuid, sizeof uuid);
    nvml.nvmlDeviceGetName(mig, name, sizeof name);
    nvmlDeviceAttributes_t attributes{};
    nvml.nvmlDeviceGetAttributes_v2(mig, &attributes);
    nvmlMemory_v2_t memory{};
    memory.version = nvmlMemory_v2;
    nvml.nvmlDeviceGetMemoryInfo_v2(mig, &memory);
    sink += memory.total + attributes.multiprocessorCount + uuid[5] + name[5];
  }
}

}  // namespace

int main(int argc, char** argv) {
  void* library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (library == nullptr) return std::fprintf(stderr, "usage: read_native LIBRARY\n"), 1;
  Nvml nvml;
#define NVML_SYMBOL(name, ret, args) \
  nvml.name = reinterpret_cast<decltype(nvml.name)>(dlsym(library, #name));
#include "abi/symbols.h"
  nvmlDevice_t gpu = nullptr;
  const void* table = nullptr;
  if (nvml.nvmlInit_v2() != NVML_SUCCESS ||
      nvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu) != NVML_SUCCESS ||
      nvml.nvmlInternalGetExportTable(&table, kSimulatorControlGuid) != NVML_SUCCESS) {
    return std::fprintf(stderr, "%s has no simulated GPU\n", argv[1]), 1;
  }
  const auto* control = static_cast<const SimulatorControl*>(table);

  char what[16];
  unsigned rounds = 0;
  while (std::scanf("%15s %u", what, &rounds) == 2) {
    std::vector<unsigned long long> before;
    for (const char* name : kNames) before.push_back(control->calls(name));
    const auto read = std::strcmp(what, "mode") == 0       ? mode
                      : std::strcmp(what, "profiles") == 0 ? profiles
                                                           : devices;
    const auto start = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < rounds; i++) read(nvml, gpu);
    const auto took = std::chrono::steady_clock::now() - start;
    std::printf("%lld", static_cast<long long>(std::chrono::nanoseconds(took).count()));
    for (size_t i = 0; i < before.size(); i++) {
      if (const auto calls = control->calls(kNames[i]) - before[i]) std::printf(" %s=%llu", kNames[i], calls);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  nvml.nvmlShutdown();
  return sink == 0;
}
