// A small NVML client. It loads libnvidia-ml.so.1 by its name, as real clients do, and holds it to
// what those clients were seen to need:
//   contract SUITE…             suites by name
//   contract symbols=FILE       the exported names against those in FILE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "suites.h"

static const struct {
  const char *name;
  void (*run)(void);
} suites[] = {
    {"library", library_suite},         {"profiles", profiles_suite}, {"instances", instances_suite},
    {"mig-devices", mig_devices_suite}, {"answered", answered_suite}, {"handles", handles_suite},
    {"arguments", arguments_suite},     {"fork", fork_suite},
};

static bool run(const char *name) {
  if (strncmp(name, "symbols=", 8) == 0) {
    symbols_suite(name + 8);
    return true;
  }
  for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
    if (strcmp(suites[i].name, name) != 0) continue;
    suites[i].run();
    return true;
  }
  return false;
}

int main(int argc, char **argv) {
  load();
  alarm(60);
  for (int i = 1; i < argc; i++) {
    if (run(argv[i])) continue;
    printf("Bail out! no suite is called %s\n", argv[i]);
    return 1;
  }
  return finish();
}
