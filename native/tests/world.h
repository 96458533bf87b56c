// A node in memory for tests of the rules, with short ways to act on its GPUs. When it ends, its
// state must be one that the rules can lead to.
#ifndef NVML_MIG_TESTS_WORLD_H
#define NVML_MIG_TESTS_WORLD_H

#include <doctest/doctest.h>

#include <vector>

#include "abi/simulator_control.h"
#include "boards.h"
#include "node_directory.h"
#include "simulator/machine.h"

namespace nvml_mig::tests {

using namespace simulator;

struct World {
  explicit World(const std::vector<GpuBoard>& boards, const Node& driver = Driver(550))
      : directory(MakeImage(driver, boards)) {
    Reason reason;
    REQUIRE(image.Open(directory.image_path().c_str(), &reason) == OpenStatus::kOpened);
    image.Read(&state);
  }
  ~World() {
    Reason reason;
    const bool possible = CheckState(image, state, &reason);
    CHECK_MESSAGE(possible, reason.text);
    image.Close();
  }

  GpuEdit edit(unsigned gpu = 0) {
    return {image.node(), image.boards()[gpu], state.node, state.gpus[gpu], gpu, state.node.rights};
  }
  GpuView view(unsigned gpu = 0) { return edit(gpu).view(); }

  nvmlReturn_t SetMode(unsigned mode, nvmlReturn_t* activation, unsigned gpu = 0) {
    return SetMigMode(edit(gpu), mode, false, activation);
  }
  void Enable(unsigned gpu = 0) {
    nvmlReturn_t activation;
    REQUIRE(SetMode(1, &activation, gpu) == NVML_SUCCESS);
    REQUIRE(activation == NVML_SUCCESS);
  }
  nvmlReturn_t Create(unsigned profile, unsigned* id, unsigned gpu = 0) {
    const GpuInstance* created;
    const nvmlReturn_t code = CreateGpuInstance(edit(gpu), profile, nullptr, &created);
    if (code == NVML_SUCCESS) *id = created->id;
    return code;
  }
  nvmlReturn_t CreateAt(unsigned profile, Placement place) {
    const GpuInstance* created;
    return CreateGpuInstance(edit(), profile, &place, &created);
  }
  GpuInstance& instance(unsigned id, unsigned gpu = 0) {
    GpuInstance* const found = FindGpuInstance(state.gpus[gpu], id);
    REQUIRE(found != nullptr);
    return *found;
  }
  nvmlReturn_t CreateCompute(unsigned gi, unsigned profile, unsigned* id, unsigned* start) {
    const ComputeInstance* created;
    const nvmlReturn_t code =
        CreateComputeInstance(edit(), instance(gi), profile, nullptr, &created);
    if (code == NVML_SUCCESS) *id = created->id, *start = created->start;
    return code;
  }
  ComputeInstance& compute(unsigned gi, unsigned ci) {
    ComputeInstance* const found = FindComputeInstance(instance(gi), ci);
    REQUIRE(found != nullptr);
    return *found;
  }
  nvmlReturn_t Start(unsigned pid, unsigned gi = kSimulatorNone, unsigned ci = kSimulatorNone) {
    return StartClient(edit(), {gi, ci, pid, 0}, {}, 0, &reason);
  }
  nvmlReturn_t Stop(unsigned pid, unsigned gi = kSimulatorNone, unsigned ci = kSimulatorNone) {
    return StopClient(edit(), {gi, ci, pid, 0}, &reason);
  }
  unsigned Live(unsigned gpu = 0) {
    unsigned live = 0;
    for (const GpuInstance& it : state.gpus[gpu].gpuInstances) live += it.stamp != 0;
    return live;
  }

  NodeDirectory directory;
  Image image;
  State state = {};
  Reason reason;
};

}  // namespace nvml_mig::tests
#endif  // NVML_MIG_TESTS_WORLD_H
