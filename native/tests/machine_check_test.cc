// States that no rule leads to are found, whatever was damaged.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <string>

#include "boards.h"
#include "node_directory.h"
#include "simulator/machine.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

TEST_CASE("impossible states are told by a sentence") {
  const NodeDirectory directory(MakeImage(Driver(550), {A100(), H100()}));
  Image image;
  Reason reason;
  REQUIRE(image.Open(directory.image_path().c_str(), &reason) == OpenStatus::kOpened);
  State sound;
  image.Read(&sound);
  // A 3g at 4 with two compute instances, and a client in one of them.
  sound.node.lastStamp = 3;
  sound.node.created = 3;
  sound.node.clients[4] = {71, 0, 2, 1, 0, 0, 0, "client-71"};
  sound.gpus[0].migCurrent = sound.gpus[0].migPending = 1;
  GpuInstance& three = sound.gpus[0].gpuInstances[1];
  three = {1, 2, static_cast<std::uint8_t>(ProfileIndex(A100(), 9)), 4, 4, {}};
  three.computeInstances[0] = {2, 0, 0, 0, 1, 0, {}};
  three.computeInstances[5] = {3, 1, 0, 2, 1, 1, {}};
  CHECK_MESSAGE(CheckState(image, sound, &reason), reason.text);

  struct Damage {
    const char* words;
    std::function<void(State&)> inflict;
  };
  const Damage damages[] = {
      {"MIG mode 2", [](State& it) { it.gpus[0].migCurrent = 2; }},
      {"MIG mode 0 with 1 pending", [](State& it) { it.gpus[1].migPending = 1; }},
      {"lives although MIG is off", [](State& it) { it.gpus[0].migCurrent = 0; }},
      {"GPU instance 2 cannot be", [](State& it) { it.gpus[0].gpuInstances[1].start = 2; }},
      {"GPU instance 2 cannot be", [](State& it) { it.gpus[0].gpuInstances[1].size = 3; }},
      {"GPU instance 2 cannot be", [](State& it) { it.gpus[0].gpuInstances[1].profile = 20; }},
      {"GPU instance 1 cannot be", [](State& it) { it.gpus[0].gpuInstances[1].id = 1; }},
      {"GPU instance 2 cannot be",
       [](State& it) { it.gpus[0].gpuInstances[3] = it.gpus[0].gpuInstances[1]; }},
      {"free GPU instance record", [](State& it) { it.gpus[1].gpuInstances[0].id = 1; }},
      {"free compute instance record",
       [](State& it) { it.gpus[0].gpuInstances[1].computeInstances[0].stamp = 0; }},
      {"compute instance 1 cannot be",
       [](State& it) { it.gpus[0].gpuInstances[1].computeInstances[5].start = 0; }},
      {"compute instance 0 cannot be",
       [](State& it) { it.gpus[0].gpuInstances[1].computeInstances[5].id = 0; }},
      {"compute instance 8 cannot be",
       [](State& it) { it.gpus[0].gpuInstances[1].computeInstances[5].id = 8; }},
      {"compute instance 1 cannot be",
       [](State& it) { it.gpus[0].gpuInstances[1].computeInstances[5].profile = 10; }},
      {"stamp 2", [](State& it) { it.gpus[0].gpuInstances[1].stamp = 2; }},
      {"3 instances live, but 4 were created", [](State& it) { it.node.created = 4; }},
      {"Pid 71 is a client", [](State& it) { it.node.clients[4].gpuInstance = 1; }},
      {"Pid 71 is a client", [](State& it) { it.node.clients[4].computeInstance = 2; }},
      {"Pid 71 is a client", [](State& it) { it.node.clients[4].gpu = 2; }},
      {"Pid 71 is a client", [](State& it) { it.node.clients[4].gpuInstance = kNone8; }},
      {"There are no rights 9", [](State& it) { it.node.rights = 9; }},
      {"GPU 1: there is no health 6", [](State& it) { it.gpus[1].health = 6; }},
      {"Pid 71 has no name", [](State& it) { it.node.clients[4].name[0] = '\0'; }},
      {"Pid 71 has no name, or one without an end",
       [](State& it) { std::memset(it.node.clients[4].name, 'n', sizeof(Client::name)); }},
      {"Pid 71 is two processes",
       [](State& it) { it.node.clients[6] = {71, 1, kNone8, kNone8, 0, 0, 5, "client-71"}; }},
      {"Pid 71 is two processes",
       [](State& it) { it.node.clients[6] = {71, 1, kNone8, kNone8, 0, 0, 0, "client-7"}; }},
      {"Pid 0 is a client", [](State& it) { it.node.clients[4].pid = 0; }},
  };
  for (const Damage& damage : damages) {
    State state = sound;
    damage.inflict(state);
    CHECK_FALSE(CheckState(image, state, &reason));
    const std::string sentence = reason.text;
    CAPTURE(sentence);
    CAPTURE(damage.words);
    CHECK(sentence.find(damage.words) != std::string::npos);
  }
  image.Close();
}
