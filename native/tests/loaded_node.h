// A node as a client of NVML meets it: a directory with its own copy of the built library, loaded by
// path, its functions found by name.
#ifndef NVML_MIG_TESTS_LOADED_NODE_H
#define NVML_MIG_TESTS_LOADED_NODE_H

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "abi/nvml_abi.h"
#include "abi/simulator_control.h"
#include "boards.h"
#include "node_directory.h"

namespace nvml_mig::tests {

class LoadedNode {
 public:
  // With the built library, or with one made from it.
  explicit LoadedNode(const std::vector<std::uint8_t>& image,
                      const std::vector<std::uint8_t>* library = nullptr)
      : directory(image) {
    Load(library);
  }
  // A container of a node.
  LoadedNode(const LoadedNode& host, const simulator::View& view) {
    std::filesystem::create_symlink(host.directory.image_path(), directory.image_path());
    std::ofstream(directory.path() + "/node.view", std::ios::binary)
        .write(reinterpret_cast<const char*>(&view), sizeof(view));
    Load();
  }
  ~LoadedNode() { dlclose(library_); }
  LoadedNode(const LoadedNode&) = delete;
  LoadedNode& operator=(const LoadedNode&) = delete;

  std::string path() const { return directory.path() + "/libnvidia-ml.so.1"; }
  void* symbol(const char* name) const { return dlsym(library_, name); }

  const SimulatorControl& control() const {
    const void* table = nullptr;
    REQUIRE(nvmlInternalGetExportTable(&table, kSimulatorControlGuid) == NVML_SUCCESS);
    return *static_cast<const SimulatorControl*>(table);
  }
  nvmlReturn_t Command(SimulatorCommand command, std::initializer_list<unsigned> given = {},
                       const char* name = nullptr) {
    unsigned arguments[kSimulatorMaxArguments] = {};
    std::copy(given.begin(), given.end(), arguments);
    return control().command(command, arguments, name, text, sizeof(text));
  }
  nvmlDevice_t gpu(unsigned index = 0) const {
    nvmlDevice_t device = nullptr;
    REQUIRE(nvmlDeviceGetHandleByIndex_v2(index, &device) == NVML_SUCCESS);
    return device;
  }
  void Enable(unsigned index = 0) const {
    nvmlReturn_t activation = NVML_ERROR_UNKNOWN;
    REQUIRE(nvmlDeviceSetMigMode(gpu(index), 1, &activation) == NVML_SUCCESS);
    REQUIRE(activation == NVML_SUCCESS);
  }
  // A GPU instance with the compute instance of that profile.
  nvmlGpuInstance_t Create(unsigned profile, unsigned computeProfile,
                           nvmlComputeInstance_t* compute) const {
    nvmlGpuInstance_t instance = nullptr;
    REQUIRE(nvmlDeviceCreateGpuInstance(gpu(), profile, &instance) == NVML_SUCCESS);
    REQUIRE(nvmlGpuInstanceCreateComputeInstance(instance, computeProfile, compute) ==
            NVML_SUCCESS);
    return instance;
  }
  nvmlDevice_t mig(unsigned index) const {
    nvmlDevice_t device = nullptr;
    REQUIRE(nvmlDeviceGetMigDeviceHandleByIndex(gpu(), index, &device) == NVML_SUCCESS);
    return device;
  }

  NodeDirectory directory;
  char text[256] = "";
#define NVML_SYMBOL(name, ret, args) ret(*name) args = nullptr;
#define NVML_CLIENT_SYMBOL(name, ret, args) ret(*name) args = nullptr;
#include "abi/symbols.h"

 private:
  void Load(const std::vector<std::uint8_t>* library = nullptr) {
    if (library == nullptr) {
      std::filesystem::copy_file(SIMULATOR_LIBRARY, path());
    } else {
      WriteFile(path(), *library);
    }
    library_ = dlopen(path().c_str(), RTLD_NOW | RTLD_LOCAL);
    REQUIRE_MESSAGE(library_ != nullptr, dlerror());
#define NVML_SYMBOL(name, ret, args) name = Find<decltype(name)>(#name);
#define NVML_CLIENT_SYMBOL(name, ret, args) name = Find<decltype(name)>(#name);
#include "abi/symbols.h"
  }
  template <class Function>
  Function Find(const char* name) const {
    void* const found = symbol(name);
    REQUIRE_MESSAGE(found != nullptr, name);
    return reinterpret_cast<Function>(found);
  }

  void* library_ = nullptr;
};

// What most tests start from: two A100 of driver 550, initialised.
struct InitialisedNode : LoadedNode {
  explicit InitialisedNode(unsigned branch = 550, const simulator::GpuBoard& board = A100())
      : LoadedNode(MakeImage(Driver(branch), {board, Second(board)})) {
    REQUIRE(nvmlInit_v2() == NVML_SUCCESS);
  }
  ~InitialisedNode() { nvmlShutdown(); }

 private:
  static simulator::GpuBoard Second(simulator::GpuBoard board) {
    board.uuid[4] = '2';
    board.busId[9] = '8';
    board.busId[10] = 'A';
    board.pciBus = 0x8A;
    board.minorNumber = 1;
    for (unsigned i = 0; i < sizeof(board.migUuids); i += 16) board.migUuids[i + 1] = 0xff;
    return board;
  }
};

}  // namespace nvml_mig::tests
#endif  // NVML_MIG_TESTS_LOADED_NODE_H
