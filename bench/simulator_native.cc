// What bench/simulator.mjs has done in C++: reads and changes of a node through its library.
//   simulator_native LIBRARY GPU, then on standard input, each answered by one line:
//     "run WHAT THREADS ROUNDS"   nanoseconds until the last thread has done its rounds
//     "begin WHAT THREADS"        goes on in the background; answered once all of them are at it
//     "end"                       how often it was done meanwhile
// WHAT is one of
//     mode     the MIG mode of a GPU: the smallest read
//     uuid     a MIG device by its UUID: a read of the whole node
//     change   a GPU instance is created and destroyed: two changes
//     lock     what a change does to keep others out, and nothing in between
//     spin     none of it: company that only takes its share of the processors
// Thread t works on GPU number GPU + t, which it has for itself.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "abi/nvml_abi.h"

namespace {

struct Nvml {
#define NVML_SYMBOL(name, ret, args) ret(*name) args = nullptr;
#include "abi/symbols.h"
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "simulator_native: %s\n", what);
  std::exit(1);
}

void must(nvmlReturn_t code, const char* what) {
  if (code != NVML_SUCCESS) fail(what);
}

constexpr unsigned kProfile = 14;  // 2g.10gb of an A100: there is room for one beside the first MIG device

class Worker {
 public:
  Worker(const Nvml& nvml, const char* image, unsigned gpu) : nvml_(nvml), image_(image) {
    must(nvml.nvmlDeviceGetHandleByIndex_v2(gpu, &gpu_), "a GPU cannot be found");
    nvmlDevice_t first = nullptr, mig = nullptr;
    must(nvml.nvmlDeviceGetHandleByIndex_v2(0, &first), "the first GPU cannot be found");
    must(nvml.nvmlDeviceGetMigDeviceHandleByIndex(first, 0, &mig), "it has no MIG device");
    must(nvml.nvmlDeviceGetUUID(mig, uuid_, sizeof(uuid_)), "its MIG device has no UUID");
  }

  using Task = void (Worker::*)();
  static Task task(const char* what) {
    if (std::strcmp(what, "mode") == 0) return &Worker::mode;
    if (std::strcmp(what, "uuid") == 0) return &Worker::uuid;
    if (std::strcmp(what, "change") == 0) return &Worker::change;
    if (std::strcmp(what, "lock") == 0) return &Worker::lock;
    if (std::strcmp(what, "spin") == 0) return &Worker::spin;
    fail(what);
  }

 private:
  void mode() {
    unsigned current = 0, pending = 0;
    must(nvml_.nvmlDeviceGetMigMode(gpu_, &current, &pending), "a read failed");
  }

  void uuid() {
    nvmlDevice_t found = nullptr;
    must(nvml_.nvmlDeviceGetHandleByUUID(uuid_, &found), "a read failed");
  }

  void change() {
    nvmlGpuInstance_t made = nullptr;
    must(nvml_.nvmlDeviceCreateGpuInstance(gpu_, kProfile, &made), "a creation failed");
    must(nvml_.nvmlGpuInstanceDestroy(made), "a destruction failed");
  }

  void lock() {
    struct stat file;
    const int descriptor = open(image_, O_RDWR | O_CLOEXEC);
    if (fstat(descriptor, &file) != 0 || flock(descriptor, LOCK_EX) != 0) fail("no lock");
    flock(descriptor, LOCK_UN);
    close(descriptor);
  }

  void spin() {
    for (int i = 0; i < 1000; i++) asm volatile("");
  }

  const Nvml& nvml_;
  const char* const image_;
  nvmlDevice_t gpu_ = nullptr;
  char uuid_[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = "";
};

// Threads that all do the same: `rounds` times, or until they are told to stop.
class Crew {
 public:
  Crew(std::vector<Worker>& workers, const char* what, unsigned threads, unsigned long rounds)
      : all_ready_(threads + 1) {
    if (threads > workers.size()) fail("the node has fewer GPUs than threads");
    for (unsigned i = 0; i < threads; i++) {
      threads_.emplace_back([this, &worker = workers[i], task = Worker::task(what), rounds] {
        all_ready_.arrive_and_wait();
        unsigned long done = 0;
        for (; done != rounds && !stopped_.load(std::memory_order_relaxed); done++) (worker.*task)();
        done_ += done;
      });
    }
    all_ready_.arrive_and_wait();
  }

  void stop() { stopped_ = true; }
  unsigned long join() {
    for (std::thread& thread : threads_) thread.join();
    return done_;
  }

 private:
  std::barrier<> all_ready_;
  std::atomic<bool> stopped_{false};
  std::atomic<unsigned long> done_{0};
  std::vector<std::thread> threads_;
};

}  // namespace

int main(int argc, char** argv) {
  void* library = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (library == nullptr) fail("usage: simulator_native LIBRARY GPU");
  Nvml nvml;
#define NVML_SYMBOL(name, ret, args) \
  nvml.name = reinterpret_cast<decltype(nvml.name)>(dlsym(library, #name));
#include "abi/symbols.h"
  must(nvml.nvmlInit_v2(), "the library cannot be initialised");
  std::string image = argv[1];
  image.replace(image.rfind('/') + 1, std::string::npos, "node.image");
  unsigned gpus = 0;
  must(nvml.nvmlDeviceGetCount_v2(&gpus), "the GPUs cannot be counted");
  std::vector<Worker> workers;
  for (unsigned i = static_cast<unsigned>(std::atoi(argv[2])); i < gpus; i++) {
    workers.emplace_back(nvml, image.c_str(), i);
  }

  std::unique_ptr<Crew> company;
  char line[128], what[16];
  unsigned threads = 0;
  unsigned long rounds = 0;
  while (std::fgets(line, sizeof(line), stdin) != nullptr) {
    if (std::sscanf(line, "run %15s %u %lu", what, &threads, &rounds) == 3) {
      Crew crew(workers, what, threads, rounds);
      const auto start = std::chrono::steady_clock::now();
      crew.join();
      const auto took = std::chrono::steady_clock::now() - start;
      std::printf("%lld\n", static_cast<long long>(std::chrono::nanoseconds(took).count()));
    } else if (std::sscanf(line, "begin %15s %u", what, &threads) == 2) {
      company = std::make_unique<Crew>(workers, what, threads, ~0ul);
      std::printf("begun\n");
    } else if (std::strcmp(line, "end\n") == 0 && company != nullptr) {
      company->stop();
      std::printf("%lu\n", company->join());
      company.reset();
    } else {
      fail(line);
    }
    std::fflush(stdout);
  }
  must(nvml.nvmlShutdown(), "the library cannot be shut down");
}
