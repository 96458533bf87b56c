// Faults as lib/simulator injects them, for tests that load a node.
#ifndef NVML_MIG_TESTS_FAULTS_H
#define NVML_MIG_TESTS_FAULTS_H

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "loaded_node.h"

namespace nvml_mig::tests {

struct Wanted {
  const char* function = nullptr;  // none: any
  SimulatorFaultAction action = kSimulatorReturn;
  unsigned value = 0;
  bool after = false;
  unsigned first = 1;
  unsigned times = kSimulatorNone;
  unsigned chance = kSimulatorNone;
  unsigned seed = 0;
  unsigned pid = 0;
};

inline nvmlReturn_t TryInject(LoadedNode& node, const Wanted& it) {
  return node.Command(kSimulatorInject,
                      {it.function == nullptr ? 1u : 0u, it.pid, it.first, it.times, it.chance,
                       it.seed, it.action, it.value, it.after ? 1u : 0u},
                      it.function);
}

inline unsigned Inject(LoadedNode& node, const Wanted& it) {
  REQUIRE_MESSAGE(TryInject(node, it) == NVML_SUCCESS, node.text);
  return static_cast<unsigned>(std::strtoul(node.text, nullptr, 10));
}

struct Figures {
  unsigned long long matched = 0;
  unsigned long long fired = 0;
  bool operator==(const Figures&) const = default;
};

inline Figures FiguresIn(const char* text) {
  Figures said;
  REQUIRE(std::sscanf(text, "%llu %llu", &said.matched, &said.fired) == 2);
  return said;
}

inline Figures Report(LoadedNode& node, unsigned fault) {
  REQUIRE(node.Command(kSimulatorReportFault, {fault, 0}) == NVML_SUCCESS);
  return FiguresIn(node.text);
}

inline Figures Remove(LoadedNode& node, unsigned fault) {
  REQUIRE(node.Command(kSimulatorRemoveFault, {fault, 0}) == NVML_SUCCESS);
  return FiguresIn(node.text);
}

// Returns once the fault has fired, which it has before it acts. Nothing tells of it: it is asked,
// with pauses in which others get at the library.
inline void AwaitFired(LoadedNode& node, unsigned fault) {
  while (Report(node, fault).fired == 0) usleep(100);
}

// What waitpid says of a child that runs `body` and ends with what that returns.
template <class Body>
pid_t StartChild(Body body) {
  std::cout.flush();  // or the child might write it, too
  const pid_t child = fork();
  if (child == 0) _exit(body());
  REQUIRE(child > 0);
  return child;
}

inline int StatusOf(pid_t child) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

inline bool ExitedWith(int status, int code) {
  return WIFEXITED(status) && WEXITSTATUS(status) == code;
}
inline bool WasKilled(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

}  // namespace nvml_mig::tests
#endif  // NVML_MIG_TESTS_FAULTS_H
