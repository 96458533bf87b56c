#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace nvml_mig::image_tests {
namespace {

constexpr int kSkipped = 77;

[[noreturn]] void End(int code, const char* format, va_list values) {
  std::vfprintf(stderr, format, values);
  std::fputc('\n', stderr);
  std::fflush(nullptr);
  _Exit(code);
}

}  // namespace

bool Options::has(const char* mode) const {
  return std::find(modes.begin(), modes.end(), mode) != modes.end();
}

Options ReadOptions(int count, char** arguments) {
  EXPECT(count >= 4, "usage: %s IMAGE FOLDER SEED [full] [mode...]", arguments[0]);
  Options options{arguments[1], arguments[2], std::strtoull(arguments[3], nullptr, 10), false, {}};
  for (int i = 4; i < count; i++) options.modes.emplace_back(arguments[i]);
  options.full = options.has("full");
  return options;
}

void Fail(const char* format, ...) {
  va_list values;
  va_start(values, format);
  End(1, format, values);
}

void Skip(const char* format, ...) {
  va_list values;
  va_start(values, format);
  End(kSkipped, format, values);
}

void Figure(const char* name, double value) { std::printf("%s %.10g\n", name, value); }

double Milliseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

void GiveUpAfter(unsigned seconds) { alarm(seconds); }

const char* Name(ChangeStatus status) {
  switch (status) {
    case ChangeStatus::kDone: return "done";
    case ChangeStatus::kDeclined: return "declined";
    case ChangeStatus::kReadOnly: return "read-only";
    case ChangeStatus::kReplaced: return "replaced";
    case ChangeStatus::kRetired: return "retired";
    case ChangeStatus::kSuperseded: return "superseded";
    case ChangeStatus::kTimeout: return "timeout";
    case ChangeStatus::kSystem: return "system";
    case ChangeStatus::kDamaged: return "damaged";
  }
  return "unknown";
}

std::vector<std::uint8_t> ReadFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat about;
  EXPECT(file >= 0 && fstat(file, &about) == 0, "%s: %s", path.c_str(), std::strerror(errno));
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(about.st_size));
  EXPECT(read(file, bytes.data(), bytes.size()) == about.st_size, "%s cannot be read",
         path.c_str());
  close(file);
  return bytes;
}

void WriteFile(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  EXPECT(file >= 0, "%s: %s", path.c_str(), std::strerror(errno));
  EXPECT(write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
             close(file) == 0,
         "%s cannot be written", path.c_str());
}

std::string CopyImage(const Options& options, const char* name) {
  const std::string folder = options.folder + "/" + name;
  EXPECT(mkdir(folder.c_str(), 0755) == 0, "%s: %s", folder.c_str(), std::strerror(errno));
  const std::string path = folder + "/node.image";
  WriteFile(path, ReadFile(options.image));
  return path;
}

void MustOpen(Image* image, const std::string& path) {
  Reason reason;
  EXPECT(image->Open(path.c_str(), &reason) == OpenStatus::kOpened, "%s: %s", path.c_str(),
         reason.text);
}

void EnableMig(Image* image) {
  MustChange(image, [image](State& state) {
    for (std::uint32_t gpu = 0; gpu < image->gpu_count(); gpu++) {
      state.gpus[gpu].migCurrent = state.gpus[gpu].migPending = 1;
    }
    return true;
  });
}

pid_t internal::ForkTied() {
  const pid_t parent = getpid();
  const pid_t child = fork();
  EXPECT(child >= 0, "fork: %s", std::strerror(errno));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // In a PID namespace of its own the child sees 0 for a parent outside.
    if (getppid() != parent && getppid() != 0) _Exit(1);
  }
  return child;
}

int Join(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    EXPECT(errno == EINTR, "waitpid(%d): %s", child, std::strerror(errno));
  }
  return status;
}

void MustSucceed(pid_t child, const char* what) {
  const int status = Join(child);
  EXPECT(WIFEXITED(status), "%s was ended by signal %d", what, WTERMSIG(status));
  if (WEXITSTATUS(status) == kSkipped) _Exit(kSkipped);
  EXPECT(WEXITSTATUS(status) == 0, "%s ended with %d", what, WEXITSTATUS(status));
}

void Kill(pid_t child) {
  kill(child, SIGKILL);
  const int status = Join(child);
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
         "a process ended before it was killed");
}

Event::Event() {
  EXPECT(pipe(ends_) == 0, "pipe: %s", std::strerror(errno));
}

Event::~Event() {
  close(ends_[0]);
  close(ends_[1]);
}

void Event::Signal() const {
  EXPECT(write(ends_[1], "!", 1) == 1, "an event cannot be told: %s", std::strerror(errno));
}

bool Event::Wait(int milliseconds) const {
  pollfd end = {ends_[0], POLLIN, 0};
  const double deadline = Milliseconds() + milliseconds;
  for (;;) {
    const double left = deadline - Milliseconds();
    const int ready = poll(&end, 1, left > 0 ? static_cast<int>(left) + 1 : 0);
    char byte;
    if (ready == 1) return read(ends_[0], &byte, 1) == 1;
    if (ready == 0) return false;
    EXPECT(errno == EINTR, "poll: %s", std::strerror(errno));
  }
}

void Event::MustCome(const char* what) const {
  EXPECT(Wait(20'000), "waited 20 s for this and it did not happen: %s", what);
}

void* SharedMemory(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EXPECT(memory != MAP_FAILED, "mmap: %s", std::strerror(errno));
  return memory;
}

}  // namespace nvml_mig::image_tests
