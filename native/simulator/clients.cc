#include "clients.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "abi/simulator_control.h"

namespace nvml_mig::simulator {
namespace {

enum class Life {
  kLives,
  kEnded,
  kHidden,  // there is one, of which nothing can be read
};

struct Process {
  Life life;
  std::uint64_t startTime;
  char name[sizeof(Client::name)];
};

// The first bytes of /proc/PID/stat; false when it cannot be read.
bool ReadStat(unsigned pid, char (&text)[1024]) {
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/%u/stat", pid);
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  ssize_t got;
  do {
    got = read(descriptor, text, sizeof(text) - 1);
  } while (got < 0 && errno == EINTR);
  close(descriptor);
  if (got <= 0) return false;
  text[got] = '\0';
  return true;
}

// "PID (name) state …", the start being the 22nd of the words that spaces divide. The name is whatever
// the process calls itself, also "a) R (b", so what comes after it is found from the end.
bool Parse(char* text, Process* process) {
  char* const open = std::strchr(text, '(');
  char* const close = std::strrchr(text, ')');
  if (open == nullptr || close == nullptr || close < open || close[1] != ' ') return false;
  const char* word = close + 2;
  process->life = *word == 'Z' || *word == 'X' || *word == 'x' ? Life::kEnded : Life::kLives;
  for (int number = 3; number < 22; number++) {
    word = std::strchr(word, ' ');
    if (word == nullptr) return false;
    word++;
  }
  process->startTime = std::strtoull(word, nullptr, 10);
  *close = '\0';
  std::snprintf(process->name, sizeof(process->name), "%s", open + 1);
  return true;
}

// What cannot be read may still be there: another user's where /proc hides those, or any while this
// process has no descriptor left.
Process FindProcess(unsigned pid) {
  Process process = {Life::kEnded, 0, ""};
  if (pid > INT_MAX) return process;
  char text[1024];
  if (ReadStat(pid, text) && Parse(text, &process)) return process;
  const bool exists = kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
  return {exists ? Life::kHidden : Life::kEnded, 0, ""};
}

bool HasEnded(const Client& client) {
  const Process process = FindProcess(client.pid);
  return process.life == Life::kEnded ||
         (process.life == Life::kLives && process.startTime != client.startTime);
}

}  // namespace

nvmlReturn_t DescribeProcess(unsigned pid, unsigned follow, const char* name,
                             ClientProcess* process, Reason* reason) {
  *process = {};
  if (name != nullptr && std::strlen(name) >= sizeof(process->name)) {
    reason->Say("A client's name has at most %zu bytes; this one has %zu.",
                sizeof(process->name) - 1, std::strlen(name));
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (follow > kSimulatorRealIfItLives) {
    reason->Say("A client's process is followed or not; there is no way %u to do so.", follow);
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (name != nullptr) std::snprintf(process->name, sizeof(process->name), "%s", name);
  if (follow == kSimulatorSimulated) return NVML_SUCCESS;

  const Process found = FindProcess(pid);
  if (found.life == Life::kLives) {
    process->startTime = found.startTime;
    if (process->name[0] == '\0') std::memcpy(process->name, found.name, sizeof(found.name));
    return NVML_SUCCESS;
  }
  if (follow == kSimulatorRealIfItLives) return NVML_SUCCESS;
  reason->Say(found.life == Life::kHidden
                  ? "Process %u cannot be followed: this user may not read /proc/%u/stat."
                  : "There is no process %u to follow: /proc/%u has none that runs.",
              pid, pid);
  return found.life == Life::kHidden ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_NOT_FOUND;
}

void ForgetEndedClients(NodeState& node) {
  for (Client& client : node.clients) {
    if (client.pid != 0 && client.startTime != 0 && HasEnded(client)) client = {};
  }
}

}  // namespace nvml_mig::simulator
