// How a client of the torture asks the node's library: every answer is judged, every change told to
// the ledger, every list looked through.
#ifndef NVML_MIG_TESTS_IMAGE_ASKING_H
#define NVML_MIG_TESTS_IMAGE_ASKING_H

#include <cstdint>
#include <string>
#include <vector>

#include "client.h"
#include "client_calls.h"
#include "nvml.h"

namespace nvml_mig::image_tests {

struct Profile {
  unsigned id;
  unsigned most;  // instances of it
  std::vector<nvmlGpuInstancePlacement_t> placements;
};

// A GPU, and what of it never changes.
struct Gpu {
  nvmlDevice_t handle;
  std::string uuid;
  unsigned mig_most;
  std::vector<Profile> profiles;
};

// Calls a function of the library. The thread's record says which one, for whoever finds it stuck.
#define ASK(function, ...) \
  (Enter(ClientCall::function), Judge(ClientCall::function, nvml_.function(__VA_ARGS__)))

// One thread's way to the library.
class Asking {
 protected:
  static constexpr unsigned kMostOfAKind = 16;
  using GpuInstances = std::vector<nvmlGpuInstance_t>;
  using ComputeInstances = std::vector<nvmlComputeInstance_t>;

  Asking(const Nvml& nvml, const ClientTask& task, ThreadRecord* record)
      : nvml_(nvml), task_(task), record_(record) {}

  void Enter(ClientCall call) { record_->calling = static_cast<unsigned>(call); }
  // The same code, which must be one that the function may answer.
  nvmlReturn_t Judge(ClientCall call, nvmlReturn_t code);

  Gpu Describe(unsigned index);
  // What there is of a profile.
  GpuInstances InstancesOn(const Gpu& gpu, const Profile& profile);
  ComputeInstances InstancesIn(nvmlGpuInstance_t instance,
                               const nvmlComputeInstanceProfileInfo_t& offer);
  // The compute-instance profile of that slot; false where there is none, or the GPU instance is gone.
  bool Offer(nvmlGpuInstance_t instance, unsigned slot, nvmlComputeInstanceProfileInfo_t* offer);

  // Whether the call created an instance, whose handle is then in `made`.
  template <class Instance, class Call>
  bool Creates(const Instance* made, Call call) {
    task_.ledger.BeginCreation(record_);
    const bool created = call() == NVML_SUCCESS;
    if (created) task_.ledger.AcknowledgeCreation(record_, StampOf(*made));
    task_.ledger.End(record_);
    return created;
  }
  // Whether the call destroyed the instance.
  template <class Instance, class Call>
  bool Destroys(Instance instance, Call call) {
    const std::uint32_t stamp = StampOf(instance);
    task_.ledger.BeginDestruction(record_, stamp);
    const bool destroyed = call() == NVML_SUCCESS;
    if (destroyed) task_.ledger.AcknowledgeDestruction(record_, stamp);
    task_.ledger.End(record_);
    return destroyed;
  }

  void MustBeGone(nvmlGpuInstance_t instance);
  void MustBeGone(nvmlComputeInstance_t compute);
  // What the library itself reads of the whole node, at one moment, is possible.
  void MustBeConsistent();

  template <class A, class B>
  static bool Same(const A& a, const B& b) {
    return a.start == b.start && a.size == b.size;
  }

  const Nvml& nvml_;
  const ClientTask& task_;
  ThreadRecord* const record_;

 private:
  std::uint32_t StampOf(const void* handle) const;
};

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_ASKING_H
