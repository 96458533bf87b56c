#include "client.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "asking.h"

namespace nvml_mig::image_tests {
namespace {

class Client : private Asking {
 public:
  Client(const Nvml& nvml, const ClientTask& task, ThreadRecord* record, std::uint64_t seed)
      : Asking(nvml, task, record), random_(seed) {}

  void Begin() {
    ASK(nvmlInit_v2);
    unsigned count;
    ASK(nvmlDeviceGetCount_v2, &count);
    for (unsigned index = 0; index < count; index++) gpus_.push_back(Describe(index));
  }

  // The same GPUs as another thread of this process has.
  void Begin(const Client& other) { gpus_ = other.gpus_; }

  void Work() {
    while (!task_.ledger.over()) {
      Round();
      record_->rounds++;
    }
  }

  void End() { ASK(nvmlShutdown); }

 private:
  void Round() {
    const Gpu& gpu = Draw(gpus_);
    switch (random_.Below(10)) {
      case 0:
      case 1: return Create(gpu);
      case 2:
      case 3:
      case 4: return CreateIn(AnyInstance(gpu));
      case 5:
      case 6: return Destroy(AnyInstance(gpu));
      case 7: return DestroyIn(AnyInstance(gpu));
      case 8: return List(gpu);
      default: return Walk(gpu);
    }
  }

  // Creating and destroying.

  void Create(const Gpu& gpu) {
    const Profile& profile = Draw(gpu.profiles);
    const nvmlGpuInstancePlacement_t* wanted =
        random_.Below(2) == 0 ? nullptr : &Draw(profile.placements);
    nvmlGpuInstance_t made = nullptr;
    const bool created = Creates(&made, [&] {
      return wanted == nullptr
                 ? ASK(nvmlDeviceCreateGpuInstance, gpu.handle, profile.id, &made)
                 : ASK(nvmlDeviceCreateGpuInstanceWithPlacement, gpu.handle, profile.id, wanted, &made);
    });
    nvmlGpuInstanceInfo_t info;
    if (!created || ASK(nvmlGpuInstanceGetInfo, made, &info) != NVML_SUCCESS) return;
    EXPECT(info.profileId == profile.id && (wanted == nullptr || Same(info.placement, *wanted)),
           "a GPU instance is not what was created");
  }

  void CreateIn(nvmlGpuInstance_t instance) {
    nvmlComputeInstanceProfileInfo_t offer;
    if (instance == nullptr || !AnyOffer(instance, &offer)) return;
    nvmlComputeInstancePlacement_t places[kMostOfAKind];
    unsigned count;
    if (ASK(nvmlGpuInstanceGetComputeInstancePossiblePlacements, instance, offer.id, places, &count) !=
        NVML_SUCCESS) {
      return;
    }
    const nvmlComputeInstancePlacement_t* wanted =
        random_.Below(2) == 0 ? nullptr : &places[random_.Below(count)];
    nvmlComputeInstance_t made = nullptr;
    const bool created = Creates(&made, [&] {
      return wanted == nullptr
                 ? ASK(nvmlGpuInstanceCreateComputeInstance, instance, offer.id, &made)
                 : ASK(nvmlGpuInstanceCreateComputeInstanceWithPlacement, instance, offer.id, wanted,
                       &made);
    });
    nvmlComputeInstanceInfo_t info;
    if (!created || ASK(nvmlComputeInstanceGetInfo_v2, made, &info) != NVML_SUCCESS) return;
    EXPECT(info.gpuInstance == instance && info.profileId == offer.id &&
               (wanted == nullptr || Same(info.placement, *wanted)),
           "a compute instance is not what was created");
  }

  void Destroy(nvmlGpuInstance_t instance) {
    if (instance == nullptr ||
        !Destroys(instance, [&] { return ASK(nvmlGpuInstanceDestroy, instance); })) {
      return;
    }
    MustBeGone(instance);
  }

  void DestroyIn(nvmlGpuInstance_t instance) {
    nvmlComputeInstanceProfileInfo_t offer;
    if (instance == nullptr || !AnyOffer(instance, &offer)) return;
    const ComputeInstances found = InstancesIn(instance, offer);
    if (found.empty()) return;
    const nvmlComputeInstance_t compute = Draw(found);
    if (Destroys(compute, [&] { return ASK(nvmlComputeInstanceDestroy, compute); })) {
      MustBeGone(compute);
    }
  }

  // One that is there, of any profile or id; null where the draw falls on nothing.
  nvmlGpuInstance_t AnyInstance(const Gpu& gpu) {
    nvmlGpuInstance_t instance;
    if (random_.Below(2) == 0) {
      const unsigned id = static_cast<unsigned>(random_.Below(15));
      const nvmlReturn_t code = ASK(nvmlDeviceGetGpuInstanceById, gpu.handle, id, &instance);
      return code == NVML_SUCCESS ? instance : nullptr;
    }
    const GpuInstances found = InstancesOn(gpu, Draw(gpu.profiles));
    return found.empty() ? nullptr : Draw(found);
  }

  bool AnyOffer(nvmlGpuInstance_t instance, nvmlComputeInstanceProfileInfo_t* offer) {
    const unsigned slot = static_cast<unsigned>(random_.Below(NVML_COMPUTE_INSTANCE_PROFILE_COUNT));
    return Offer(instance, slot, offer);
  }

  // Listing: whatever is said of an instance that lives never changes.

  void List(const Gpu& gpu) {
    unsigned current, pending;
    ASK(nvmlDeviceGetMigMode, gpu.handle, &current, &pending);
    EXPECT(current == NVML_DEVICE_MIG_ENABLE && pending == current, "MIG mode changed");
    MustBeConsistent();
    for (const Profile& profile : gpu.profiles) {
      unsigned more;
      ASK(nvmlDeviceGetGpuInstanceRemainingCapacity, gpu.handle, profile.id, &more);
      EXPECT(more <= profile.most, "%u more of at most %u fit", more, profile.most);
      for (const nvmlGpuInstance_t instance : InstancesOn(gpu, profile)) {
        nvmlGpuInstanceInfo_t info;
        if (ASK(nvmlGpuInstanceGetInfo, instance, &info) != NVML_SUCCESS) continue;
        EXPECT(info.device == gpu.handle && info.profileId == profile.id &&
                   std::any_of(profile.placements.begin(), profile.placements.end(),
                               [&](const auto& it) { return Same(it, info.placement); }),
               "a GPU instance is not what it was listed as");
        nvmlGpuInstance_t same;
        if (ASK(nvmlDeviceGetGpuInstanceById, gpu.handle, info.id, &same) == NVML_SUCCESS &&
            same != instance) {
          MustBeGone(instance);
        }
        ListIn(instance);
      }
    }
  }

  void ListIn(nvmlGpuInstance_t instance) {
    for (unsigned slot = 0; slot < NVML_COMPUTE_INSTANCE_PROFILE_COUNT; slot++) {
      nvmlComputeInstanceProfileInfo_t offer;
      unsigned more;
      if (!Offer(instance, slot, &offer) ||
          ASK(nvmlGpuInstanceGetComputeInstanceRemainingCapacity, instance, offer.id, &more) !=
              NVML_SUCCESS) {
        continue;
      }
      EXPECT(more <= offer.instanceCount, "%u more of at most %u fit", more, offer.instanceCount);
      for (const nvmlComputeInstance_t compute : InstancesIn(instance, offer)) {
        nvmlComputeInstanceInfo_t info;
        if (ASK(nvmlComputeInstanceGetInfo_v2, compute, &info) != NVML_SUCCESS) continue;
        EXPECT(info.gpuInstance == instance && info.profileId == offer.id,
               "a compute instance is not what it was listed as");
        nvmlComputeInstance_t same;
        if (ASK(nvmlGpuInstanceGetComputeInstanceById, instance, info.id, &same) == NVML_SUCCESS &&
            same != compute) {
          MustBeGone(compute);
        }
      }
    }
  }

  // The MIG devices as clients meet them: index after index up to the first that is not there.
  void Walk(const Gpu& gpu) {
    for (unsigned index = 0; index < gpu.mig_most; index++) {
      nvmlDevice_t mig, parent;
      if (ASK(nvmlDeviceGetMigDeviceHandleByIndex, gpu.handle, index, &mig) != NVML_SUCCESS) return;
      unsigned instance, compute;
      nvmlDeviceAttributes_t attributes;
      char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
      if (ASK(nvmlDeviceGetGpuInstanceId, mig, &instance) != NVML_SUCCESS ||
          ASK(nvmlDeviceGetComputeInstanceId, mig, &compute) != NVML_SUCCESS ||
          ASK(nvmlDeviceGetUUID, mig, uuid, sizeof(uuid)) != NVML_SUCCESS ||
          ASK(nvmlDeviceGetAttributes_v2, mig, &attributes) != NVML_SUCCESS ||
          ASK(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, mig, &parent) != NVML_SUCCESS) {
        continue;
      }
      EXPECT(parent == gpu.handle && attributes.computeInstanceSliceCount != 0,
             "a MIG device is not of the GPU that it was found on");
      char legacy[256];
      std::snprintf(legacy, sizeof(legacy), "MIG-%s/%u/%u", gpu.uuid.c_str(), instance, compute);
      MustLeadThere(uuid, uuid, instance, compute);
      MustLeadThere(legacy, nullptr, instance, compute);
    }
  }

  // A name leads to nothing or to a device of that name: not always the one it was read of, which may
  // be gone and another one in its place.
  void MustLeadThere(const char* name, const char* uuid, unsigned instance, unsigned compute) {
    nvmlDevice_t found;
    char text[NVML_DEVICE_UUID_V2_BUFFER_SIZE];
    unsigned in, id;
    if (ASK(nvmlDeviceGetHandleByUUID, name, &found) != NVML_SUCCESS ||
        ASK(nvmlDeviceGetUUID, found, text, sizeof(text)) != NVML_SUCCESS ||
        ASK(nvmlDeviceGetGpuInstanceId, found, &in) != NVML_SUCCESS ||
        ASK(nvmlDeviceGetComputeInstanceId, found, &id) != NVML_SUCCESS) {
      return;
    }
    if (uuid != nullptr) {
      EXPECT(std::strcmp(text, uuid) == 0, "%s led to %s", uuid, text);
    } else {
      EXPECT(in == instance && id == compute, "%s led to %u/%u", name, in, id);
    }
  }

  template <class T>
  const T& Draw(const std::vector<T>& all) {
    return all[random_.Below(all.size())];
  }

  Random random_;
  std::vector<Gpu> gpus_;
};

}  // namespace

void WorkAsClient(const ClientTask& task, unsigned process, std::uint64_t seed) {
  void* library = Load(task.library);
  const Nvml nvml = Functions(library);
  Client first(nvml, task, &task.ledger.record(process, 0), seed);
  first.Begin();
  std::vector<std::thread> others;
  for (unsigned i = 1; i < kThreads; i++) {
    others.emplace_back([&, i] {
      Client client(nvml, task, &task.ledger.record(process, i), seed + i);
      client.Begin(first);
      client.Work();
    });
  }
  first.Work();
  for (std::thread& other : others) other.join();
  first.End();
  EXPECT(dlclose(library) == 0, "%s", dlerror());
}

}  // namespace nvml_mig::image_tests
