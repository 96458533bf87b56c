// What makes a call of the fixture library wait or fail: the files beside the library, which
// fixture.ts writes.
//   calls             every call is appended to it, a name a line; unloading it counts as one
//   hold.FUNCTION     a FIFO: the call waits until a writer has come and gone
//   answer.FUNCTION   the code that the call returns at once
#ifndef NVML_MIG_TEST_FIXTURE_CONTROLS_H
#define NVML_MIG_TEST_FIXTURE_CONTROLS_H

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

bool beside(const char* prefix, const char* name, char (&path)[4096]) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&nvmlInit_v2), &info) == 0) return false;
  const char* slash = std::strrchr(info.dli_fname, '/');
  const int length = static_cast<int>(slash - info.dli_fname + 1);
  return std::snprintf(path, sizeof path, "%.*s%s%s", length, info.dli_fname, prefix, name) > 0;
}

void log(const char* line) {
  char path[4096], text[128];
  if (!beside("calls", "", path)) return;
  const int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;  // the test is over and its directory gone
  const int length = std::snprintf(text, sizeof text, "%s\n", line);
  if (write(file, text, static_cast<size_t>(length)) != length) std::abort();
  close(file);
}

// Does what the controls say; a code to answer with, or -1 to go on.
int enter(const char* function) {
  log(function);
  char path[4096], text[16] = {};
  beside("hold.", function, path);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    while (read(file, text, sizeof text) > 0) {
    }
    close(file);
  }
  beside("answer.", function, path);
  file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  const bool answered = read(file, text, sizeof text - 1) > 0;
  close(file);
  return answered ? std::atoi(text) : -1;
}

__attribute__((destructor)) void unloaded() { enter("unloaded"); }

}  // namespace

// The first statement of every function of the library.
#define ENTER                                              \
  if (const int code = enter(__func__); code >= 0) {       \
    return static_cast<nvmlReturn_t>(code);                \
  }                                                        \
  static_assert(true)

#endif  // NVML_MIG_TEST_FIXTURE_CONTROLS_H
