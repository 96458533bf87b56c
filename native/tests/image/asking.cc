#include "asking.h"

#include <algorithm>

#include "abi/simulator_control.h"
#include "simulator/handles.h"

namespace nvml_mig::image_tests {
namespace {

// The handles that a list was filled with.
template <class Instances>
Instances Listed(Instances list, unsigned count, unsigned most) {
  EXPECT(count <= most, "%u instances of a profile are listed, and %u fit", count, most);
  list.resize(count);
  Instances sorted = list;
  std::sort(sorted.begin(), sorted.end());
  EXPECT(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end(),
         "an instance is listed twice");
  return list;
}

}  // namespace

nvmlReturn_t Asking::Judge(ClientCall call, nvmlReturn_t code) {
  const ClientCallRule& rule = kClientCalls[static_cast<unsigned>(call)];
  EXPECT(rule.Allows(code), "%s answered %d to a client beside others", rule.name, int(code));
  record_->answers[code]++;
  return code;
}

Gpu Asking::Describe(unsigned index) {
  Gpu gpu;
  ASK(nvmlDeviceGetHandleByIndex_v2, index, &gpu.handle);
  char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
  EXPECT(ASK(nvmlDeviceGetUUID, gpu.handle, uuid, sizeof(uuid)) == NVML_SUCCESS, "a GPU is gone");
  gpu.uuid = uuid;
  ASK(nvmlDeviceGetMaxMigDeviceCount, gpu.handle, &gpu.mig_most);
  for (unsigned slot = 0;; slot++) {
    nvmlGpuInstanceProfileInfo_t info;
    const nvmlReturn_t code = ASK(nvmlDeviceGetGpuInstanceProfileInfo, gpu.handle, slot, &info);
    if (code == kPastTheLastSlot) return gpu;
    if (code != NVML_SUCCESS) continue;
    nvmlGpuInstancePlacement_t places[kMostOfAKind];
    unsigned count;
    ASK(nvmlDeviceGetGpuInstancePossiblePlacements_v2, gpu.handle, info.id, places, &count);
    gpu.profiles.push_back({info.id, info.instanceCount, {places, places + count}});
  }
}

Asking::GpuInstances Asking::InstancesOn(const Gpu& gpu, const Profile& profile) {
  GpuInstances list(kMostOfAKind);
  unsigned count;
  ASK(nvmlDeviceGetGpuInstances, gpu.handle, profile.id, list.data(), &count);
  return Listed(std::move(list), count, profile.most);
}

Asking::ComputeInstances Asking::InstancesIn(nvmlGpuInstance_t instance,
                                             const nvmlComputeInstanceProfileInfo_t& offer) {
  ComputeInstances list(kMostOfAKind);
  unsigned count;
  const nvmlReturn_t code =
      ASK(nvmlGpuInstanceGetComputeInstances, instance, offer.id, list.data(), &count);
  if (code != NVML_SUCCESS) return {};
  return Listed(std::move(list), count, offer.instanceCount);
}

bool Asking::Offer(nvmlGpuInstance_t instance, unsigned slot,
                   nvmlComputeInstanceProfileInfo_t* offer) {
  return ASK(nvmlGpuInstanceGetComputeInstanceProfileInfo, instance, slot,
             NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED, offer) == NVML_SUCCESS;
}

void Asking::MustBeGone(nvmlGpuInstance_t instance) {
  nvmlGpuInstanceInfo_t info;
  EXPECT(ASK(nvmlGpuInstanceGetInfo, instance, &info) == kGone, "a dead GPU instance answers");
}

void Asking::MustBeGone(nvmlComputeInstance_t compute) {
  nvmlComputeInstanceInfo_t info;
  EXPECT(ASK(nvmlComputeInstanceGetInfo_v2, compute, &info) == kGone,
         "a dead compute instance answers");
}

void Asking::MustBeConsistent() {
  const void* table;
  ASK(nvmlInternalGetExportTable, &table, kSimulatorControlGuid);
  char why[256];
  const auto* control = static_cast<const SimulatorControl*>(table);
  constexpr unsigned none[kSimulatorMaxArguments] = {};
  const nvmlReturn_t code = control->command(kSimulatorCheck, none, nullptr, why, sizeof(why));
  EXPECT(code == NVML_SUCCESS, "the library read: %s", why);
}

std::uint32_t Asking::StampOf(const void* handle) const {
  simulator::Handle decoded;
  EXPECT(simulator::DecodeHandle(task_.header, handle, &decoded), "no handle of this node");
  return decoded.stamp;
}

}  // namespace nvml_mig::image_tests
