// What the image's promises look like to a client of the library itself. IMAGE is the path of a
// node's libnvidia-ml.so.1.
//
//   fork             after fork() every function of the child answers UNINITIALIZED until its own
//                    init; FOLDER/exported lists the names the library exports, with "early-version"
//                    nvmlSystemGetNVMLVersion works before init
//   two-copies       (5 of 12) two copies of the library that share an image, in one process
//   unprivileged     (6 of 12) another user's client reads, and changes answer NO_PERMISSION
//   replaced         (9 of 12) a client of a node that was removed reads, and changes say so
//   descriptors      (10 of 12) after closefrom(3) changes work; without descriptors they say so
#include <dlfcn.h>
#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "nvml.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

constexpr uid_t kNobody = 65534;
constexpr unsigned kForksBesideThreads = 100;

#define MUST(expected, call)                                                                   \
  do {                                                                                         \
    const nvmlReturn_t answer = (call);                                                        \
    EXPECT(answer == (expected), "%s answered %d, not %d", #call, int(answer), int(expected)); \
  } while (0)

// A node in use: MIG on, one GPU instance with one compute instance.
struct Handles {
  nvmlDevice_t device, mig;
  nvmlGpuInstance_t instance;
  nvmlComputeInstance_t compute;
};

constexpr unsigned kSmallestProfile = 19;  // 1g.5gb of an A100
constexpr unsigned kSmallestCompute = 0;

// What a client finds after its init: the MIG device that is there all the time, and what it lies in.
Handles Find(const Nvml& nvml) {
  Handles found;
  unsigned instance, compute;
  MUST(NVML_SUCCESS, nvml.nvmlInit_v2());
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetHandleByIndex_v2(0, &found.device));
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetMigDeviceHandleByIndex(found.device, 0, &found.mig));
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetGpuInstanceId(found.mig, &instance));
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetComputeInstanceId(found.mig, &compute));
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetGpuInstanceById(found.device, instance, &found.instance));
  MUST(NVML_SUCCESS,
       nvml.nvmlGpuInstanceGetComputeInstanceById(found.instance, compute, &found.compute));
  return found;
}

Handles Partition(const Nvml& nvml) {
  nvmlDevice_t device;
  nvmlReturn_t activation;
  nvmlGpuInstance_t instance;
  nvmlComputeInstance_t compute;
  MUST(NVML_SUCCESS, nvml.nvmlInit_v2());
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetHandleByIndex_v2(0, &device));
  MUST(NVML_SUCCESS, nvml.nvmlDeviceSetMigMode(device, NVML_DEVICE_MIG_ENABLE, &activation));
  MUST(NVML_SUCCESS, nvml.nvmlDeviceCreateGpuInstance(device, kSmallestProfile, &instance));
  MUST(NVML_SUCCESS, nvml.nvmlGpuInstanceCreateComputeInstance(instance, kSmallestCompute, &compute));
  const Handles handles = Find(nvml);
  MUST(NVML_SUCCESS, nvml.nvmlShutdown());
  return handles;
}

// Reads that a client makes, all through one GPU.
void MustRead(const Nvml& nvml, const Handles& handles) {
  unsigned count, current, pending;
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetCount_v2(&count));
  MUST(NVML_SUCCESS, nvml.nvmlDeviceGetMigMode(handles.device, &current, &pending));
  EXPECT(count == 1 && current == NVML_DEVICE_MIG_ENABLE, "a read found another node");
  nvmlGpuInstance_t instances[8];
  count = 8;
  MUST(NVML_SUCCESS,
       nvml.nvmlDeviceGetGpuInstances(handles.device, kSmallestProfile, instances, &count));
  EXPECT(count >= 1, "the GPU instance is gone");
}

// Every kind of change.
void MustAnswerChanges(const Nvml& nvml, const Handles& handles, nvmlReturn_t expected) {
  nvmlReturn_t activation;
  nvmlGpuInstance_t instance;
  MUST(expected, nvml.nvmlDeviceCreateGpuInstance(handles.device, kSmallestProfile, &instance));
  MUST(expected, nvml.nvmlComputeInstanceDestroy(handles.compute));
  MUST(expected,
       nvml.nvmlDeviceSetMigMode(handles.device, NVML_DEVICE_MIG_ENABLE, &activation));
}

void CreateAndDestroy(const Nvml& nvml, const Handles& handles) {
  nvmlGpuInstance_t instance;
  MUST(NVML_SUCCESS, nvml.nvmlDeviceCreateGpuInstance(handles.device, kSmallestProfile, &instance));
  MUST(NVML_SUCCESS, nvml.nvmlGpuInstanceDestroy(instance));
}

// Something of each type to call a function with: the node's handles, memory, zero.
const Handles* real = nullptr;
alignas(64) char scratch[65536];
template <class T>
T Argument() {
  if constexpr (std::is_same_v<T, nvmlDevice_t>) return real->device;
  else if constexpr (std::is_same_v<T, nvmlGpuInstance_t>) return real->instance;
  else if constexpr (std::is_same_v<T, nvmlComputeInstance_t>) return real->compute;
  else if constexpr (std::is_pointer_v<T>) return reinterpret_cast<T>(scratch);
  else return T{};
}
template <class... Arguments>
int Call(nvmlReturn_t (*function)(Arguments...)) {
  return function(Argument<Arguments>()...);
}
int Call(const char* (*function)(nvmlReturn_t)) {
  return function(NVML_ERROR_UNINITIALIZED) == nullptr ? -1 : 0;
}

// Functions that need no init: those that make one, and what works before it.
bool WorksBeforeInit(const std::string& name, bool early_version) {
  static const std::set<std::string> names = {"nvmlErrorString",  "nvmlInit",     "nvmlInit_v2",
                                              "nvmlInitWithFlags", "nvmlShutdown",
                                              "nvmlInternalGetExportTable"};
  return names.count(name) != 0 || (early_version && name == "nvmlSystemGetNVMLVersion");
}

// Calls everything; how many functions answered UNINITIALIZED, as they all must.
unsigned AllUninitialized(void* library, const Nvml& nvml, const Options& options) {
  unsigned called = 0;
  std::set<std::string> typed;
  const auto must_refuse = [&](const char* name, auto function) {
    typed.insert(name);
    if (function == nullptr || WorksBeforeInit(name, options.has("early-version"))) return;
    const int answer = Call(function);
    EXPECT(answer == NVML_ERROR_UNINITIALIZED, "%s answered %d in a forked child", name, answer);
    called++;
  };
#define NVML_SYMBOL(name, ret, args) must_refuse(#name, nvml.name);
#define NVML_CLIENT_SYMBOL(name, ret, args) must_refuse(#name, nvml.name);
#include "abi/symbols.h"
  // The others answer without looking at what they are called with.
  std::ifstream exported(options.folder + "/exported");
  for (std::string name; std::getline(exported, name);) {
    if (typed.count(name) != 0) continue;
    const auto function = reinterpret_cast<nvmlReturn_t (*)()>(dlsym(library, name.c_str()));
    EXPECT(function != nullptr, "%s is listed and not exported", name.c_str());
    must_refuse(name.c_str(), function);
  }
  EXPECT(nvml.nvmlErrorString(NVML_ERROR_UNINITIALIZED)[0] != '\0', "no words for a code");
  if (options.has("early-version")) {
    MUST(NVML_SUCCESS, nvml.nvmlSystemGetNVMLVersion(scratch, sizeof(scratch)));
  }
  return called;
}

void Forked(void* library, const Nvml& nvml, const Options& options) {
  const Handles handles = Partition(nvml);
  real = &handles;
  MUST(NVML_SUCCESS, nvml.nvmlInit_v2());  // twice: the child starts from nothing all the same
  auto* called = MakeShared<std::atomic<unsigned>>();
  MustSucceed(Spawn([&] {
                *called = AllUninitialized(library, nvml, options);
                const Handles own = Find(nvml);
                MustRead(nvml, own);
                CreateAndDestroy(nvml, own);
                MUST(NVML_SUCCESS, nvml.nvmlShutdown());
                AllUninitialized(library, nvml, options);
              }),
              "a forked child");
  MustRead(nvml, handles);
  CreateAndDestroy(nvml, handles);
  Figure("functions_uninitialized", *called);

  // Beside threads that call all the time: the child must not meet their locks.
  std::atomic<bool> stop{false};
  std::thread reading([&] { while (!stop) MustRead(nvml, handles); });
  std::thread changing([&] { while (!stop) CreateAndDestroy(nvml, handles); });
  std::thread initialising([&] {
    while (!stop) {
      MUST(NVML_SUCCESS, nvml.nvmlInit_v2());
      MUST(NVML_SUCCESS, nvml.nvmlShutdown());
    }
  });
  for (unsigned i = 0; i < kForksBesideThreads; i++) {
    MustSucceed(Spawn([&] {
                  unsigned count;
                  MUST(NVML_ERROR_UNINITIALIZED, nvml.nvmlDeviceGetCount_v2(&count));
                  CreateAndDestroy(nvml, Find(nvml));
                }),
                "a child forked beside threads");
  }
  stop = true;
  reading.join();
  changing.join();
  initialising.join();
  MUST(NVML_SUCCESS, nvml.nvmlShutdown());
  MustRead(nvml, handles);
  MUST(NVML_SUCCESS, nvml.nvmlShutdown());
  AllUninitialized(library, nvml, options);
  Figure("forks_beside_threads", kForksBesideThreads);
}

// The other copy has a directory of its own, in which the image is the same file.
void TwoCopies(const Nvml& one, const Options& options) {
  namespace fs = std::filesystem;
  const fs::path library = options.image, beside = options.folder + "/other-node";
  fs::create_directory(beside);
  fs::copy_file(library, beside / library.filename());
  for (const char* shared : {"node.image", "node.json"}) {
    fs::create_hard_link(library.parent_path() / shared, beside / shared);
  }
  const Nvml other = Functions(Load((beside / library.filename()).c_str()));
  EXPECT(one.nvmlInit_v2 != other.nvmlInit_v2, "the loader took two files for one library");
  const Handles handles = Partition(one);
  MUST(NVML_SUCCESS, one.nvmlInit_v2());
  const Handles others = Find(other);
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] { for (int j = 0; j < 1'000; j++) CreateAndDestroy(one, handles); });
    threads.emplace_back([&] { for (int j = 0; j < 1'000; j++) CreateAndDestroy(other, others); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Nvml* nvml : {&one, &other}) {
    nvmlGpuInstance_t instances[8];
    unsigned count = 8;
    MUST(NVML_SUCCESS,
         nvml->nvmlDeviceGetGpuInstances(nvml == &one ? handles.device : others.device,
                                          kSmallestProfile, instances, &count));
    EXPECT(count == 1, "%u GPU instances are left, not 1", count);
  }
  Figure("changes", 8'000);
}

void Unprivileged(const Options& options) {
  if (geteuid() != 0) Skip("dropping root's rights takes root's rights");
  MustSucceed(Spawn([&] { (void)Partition(Functions(Load(options.image.c_str()))); }),
              "the privileged client");
  if (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0) {
    Skip("another user's rights cannot be taken: %s", std::strerror(errno));
  }
  const Nvml nvml = Functions(Load(options.image.c_str()));
  const Handles handles = Find(nvml);
  MustRead(nvml, handles);
  MustAnswerChanges(nvml, handles, NVML_ERROR_NO_PERMISSION);
  MustRead(nvml, handles);
}

void Replaced(const Nvml& nvml, const Options& options) {
  const Handles handles = Partition(nvml);
  std::filesystem::remove_all(std::filesystem::path(options.image).parent_path());
  for (int i = 0; i < 3; i++) {
    MustRead(nvml, handles);
    MustAnswerChanges(nvml, handles, NVML_ERROR_DRIVER_NOT_LOADED);
  }
  MUST(NVML_SUCCESS, nvml.nvmlShutdown());
  MUST(NVML_ERROR_DRIVER_NOT_LOADED, nvml.nvmlInit_v2());
}

void Descriptors(const Nvml& nvml) {
  const Handles handles = Partition(nvml);
  closefrom(3);
  CreateAndDestroy(nvml, handles);
  const rlimit none = {3, 4}, one = {4, 4};
  EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit: %s", std::strerror(errno));
  MustAnswerChanges(nvml, handles, NVML_ERROR_OPERATING_SYSTEM);
  MustRead(nvml, handles);
  EXPECT(setrlimit(RLIMIT_NOFILE, &one) == 0, "setrlimit: %s", std::strerror(errno));
  CreateAndDestroy(nvml, handles);
}

void Run(const Options& options) {
  GiveUpAfter(60);
  if (options.has("unprivileged")) return Unprivileged(options);
  void* library = Load(options.image.c_str());
  const Nvml nvml = Functions(library);
  if (options.has("fork")) Forked(library, nvml, options);
  if (options.has("two-copies")) TwoCopies(nvml, options);
  if (options.has("replaced")) Replaced(nvml, options);
  if (options.has("descriptors")) Descriptors(nvml);
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
