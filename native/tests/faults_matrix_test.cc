// Every exported function met by every kind of fault: it fires once, the call answers as it was
// asked to, and the node is left as the call would have left it, or as it was.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>
#include <tuple>
#include <type_traits>

#include "faults.h"
#include "simulator/image.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

constexpr const char* kUnmodelled[] = {
#define UNMODELLED(name) #name,
#include "simulator/unmodelled.inc"
};

constexpr unsigned kSlice = 19;  // of an A100, 1g.5gb
constexpr unsigned kHalf = 9;    // 3g.20gb
// None that a function answers by itself.
constexpr auto kCode = static_cast<nvmlReturn_t>(77);

template <class Type>
concept Defined = requires { sizeof(Type); };

// A node on which most functions find what they are about, and those that change something can: on
// GPU 0 a half with a compute instance that leaves room for others, and an empty slice. On GPU 1 MIG
// is off.
std::vector<std::uint8_t> Arranged() {
  InitialisedNode node;
  node.Enable();
  constexpr nvmlGpuInstancePlacement_t upper = {4, 4}, lowest = {0, 1};
  nvmlGpuInstance_t half, slice;
  nvmlComputeInstance_t compute;
  REQUIRE(node.nvmlDeviceCreateGpuInstanceWithPlacement(node.gpu(), kHalf, &upper, &half) ==
          NVML_SUCCESS);
  REQUIRE(node.nvmlGpuInstanceCreateComputeInstance(half, 0, &compute) == NVML_SUCCESS);
  REQUIRE(node.nvmlDeviceCreateGpuInstanceWithPlacement(node.gpu(), kSlice, &lowest, &slice) ==
          NVML_SUCCESS);
  std::ifstream file(node.directory.image_path(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An exported function of a node that begins anew, with the arguments to call it with: the right
// handles, else zeroes, and room for whatever is written.
class Subject {
 public:
  Subject(LoadedNode& loaded, const std::vector<std::uint8_t>& image, const std::string& function)
      : node(loaded), function_(function), isInit_(function.rfind("nvmlInit", 0) == 0) {
    node.directory.Replace(image);
    if (isInit_) return;
    REQUIRE(node.nvmlInit_v2() == NVML_SUCCESS);
    const bool setsMode = function == "nvmlDeviceSetMigMode";
    const bool createsInstance = function.rfind("nvmlDeviceCreateGpuInstance", 0) == 0;
    number_ = setsMode ? 1 : createsInstance ? kSlice : 0;
    device_ = node.gpu(setsMode ? 1 : 0);
    instance_ = First(function == "nvmlGpuInstanceDestroy" ? kSlice : kHalf);
    unsigned count = 1;
    REQUIRE(node.nvmlGpuInstanceGetComputeInstances(First(kHalf), 0, &compute_, &count) ==
            NVML_SUCCESS);
  }
  ~Subject() { node.nvmlShutdown(); }

  // A child is not initialised.
  nvmlReturn_t CallInChild() {
    const nvmlReturn_t ready = isInit_ ? NVML_SUCCESS : node.nvmlInit_v2();
    return ready == NVML_SUCCESS ? Call() : ready;
  }
  // What it answers; of the one that answers with words, whether there are any.
  nvmlReturn_t Call() {
#define NVML_SYMBOL(name, ret, args) if (function_ == #name) return Invoke(node.name);
#define NVML_CLIENT_SYMBOL(name, ret, args) if (function_ == #name) return Invoke(node.name);
#include "abi/symbols.h"
    return reinterpret_cast<nvmlReturn_t (*)()>(node.symbol(function_.c_str()))();
  }

  // The live part as it is now.
  std::string Live() const {
    State state;
    std::memset(static_cast<void*>(&state), 0, sizeof(state));
    Reason reason;
    Image image;
    REQUIRE(image.Open(node.directory.image_path().c_str(), &reason) == OpenStatus::kOpened);
    image.Read(&state);
    image.Close();
    return {reinterpret_cast<const char*>(&state), sizeof(state)};
  }

  LoadedNode& node;

 private:
  nvmlGpuInstance_t First(unsigned profile) const {
    nvmlGpuInstance_t found[8];
    unsigned count = 8;
    REQUIRE(node.nvmlDeviceGetGpuInstances(node.gpu(), profile, found, &count) == NVML_SUCCESS);
    REQUIRE(count == 1);
    return found[0];
  }

  template <class Result, class... Types>
  nvmlReturn_t Invoke(Result (*called)(Types...)) {
    const std::tuple<Types...> arguments{Argument<Types>()...};
    const Result result = std::apply(called, arguments);
    if constexpr (std::is_pointer_v<Result>) {
      return result[0] != '\0' ? NVML_SUCCESS : NVML_ERROR_UNKNOWN;
    } else {
      return result;
    }
  }
  template <class Type>
  Type Argument() {
    if constexpr (std::is_same_v<Type, nvmlDevice_t>) {
      return device_;
    } else if constexpr (std::is_same_v<Type, nvmlGpuInstance_t>) {
      return instance_;
    } else if constexpr (std::is_same_v<Type, nvmlComputeInstance_t>) {
      return compute_;
    } else if constexpr (!std::is_pointer_v<Type>) {
      return static_cast<Type>(number_);
    } else if constexpr (!Defined<std::remove_pointer_t<Type>>) {
      return nullptr;  // a handle of another kind
    } else if constexpr (requires(std::remove_pointer_t<Type> it) { it.start; it.size; }) {
      // One slice, the second.
      static constexpr std::remove_const_t<std::remove_pointer_t<Type>> second = {1, 1};
      if constexpr (std::is_const_v<std::remove_pointer_t<Type>>) return &second;
      else return Room<Type>();
    } else {
      return Room<Type>();
    }
  }

  template <class Type>
  Type Room() {
    REQUIRE(used_ < std::size(room_));
    return reinterpret_cast<Type>(room_[used_++]);
  }

  const std::string function_;
  const bool isInit_;
  unsigned number_ = 0;
  nvmlDevice_t device_ = nullptr;
  nvmlGpuInstance_t instance_ = nullptr;
  nvmlComputeInstance_t compute_ = nullptr;
  std::size_t used_ = 0;
  alignas(64) char room_[4][65'536] = {};
};

struct Kind {
  const char* name;
  SimulatorFaultAction action;
  bool after;
};
constexpr Kind kKinds[] = {
    {"return instead", kSimulatorReturn, false}, {"return after", kSimulatorReturn, true},
    {"delay before", kSimulatorDelay, false},    {"delay after", kSimulatorDelay, true},
    {"busy before", kSimulatorBusy, false},      {"busy after", kSimulatorBusy, true},
    {"hang before", kSimulatorHang, false},      {"hang after", kSimulatorHang, true},
    {"kill before", kSimulatorKill, false},      {"kill after", kSimulatorKill, true}};
constexpr unsigned kMilliseconds = 1;

// What a call does that nothing goes wrong with.
struct Undisturbed {
  nvmlReturn_t answer;
  std::string before;
  std::string after;
};

Undisturbed Watch(LoadedNode& node, const std::vector<std::uint8_t>& image,
                  const std::string& function) {
  Subject subject(node, image, function);
  const std::string before = subject.Live();
  const nvmlReturn_t answer = subject.Call();
  return {answer, before, subject.Live()};
}

void Strike(Subject& subject, const Kind& kind, const Undisturbed& usual, unsigned fault) {
  nvmlReturn_t answer = NVML_ERROR_UNKNOWN;
  const auto called = std::chrono::steady_clock::now();
  switch (kind.action) {
    case kSimulatorReturn:
      CHECK(subject.Call() == kCode);
      break;
    case kSimulatorDelay:
      CHECK(subject.Call() == usual.answer);
      CHECK(std::chrono::steady_clock::now() - called >= std::chrono::milliseconds(kMilliseconds));
      break;
    case kSimulatorBusy:
      CHECK(subject.Call() == usual.answer);
      CHECK(std::chrono::steady_clock::now() - called >= std::chrono::microseconds(kMilliseconds));
      break;
    case kSimulatorHang: {
      std::atomic<bool> over{false};
      std::thread thread([&] {
        answer = subject.Call();
        over = true;
      });
      AwaitFired(subject.node, fault);
      CHECK(!over);
      CHECK(subject.Live() == (kind.after ? usual.after : usual.before));
      CHECK(subject.node.Command(kSimulatorReleaseFault, {fault, 0}) == NVML_SUCCESS);
      thread.join();
      CHECK(answer == usual.answer);
      break;
    }
    case kSimulatorKill:
      CHECK(WasKilled(StatusOf(
          StartChild([&] { return static_cast<int>(subject.CallInChild()); }))));
      break;
  }
  const bool effect = kind.after || kind.action == kSimulatorDelay ||
                      kind.action == kSimulatorBusy || kind.action == kSimulatorHang;
  CHECK(subject.Live() == (effect ? usual.after : usual.before));
  CHECK(Remove(subject.node, fault) == Figures{1, 1});
  CHECK(subject.node.Command(kSimulatorCheck) == NVML_SUCCESS);
}

// Those that are played, and a tenth of the others, or all of them in a full run.
std::vector<std::string> Functions(unsigned* unplayed) {
  std::vector<std::string> names = {
#define NVML_SYMBOL(name, ret, args) #name,
#define NVML_CLIENT_SYMBOL(name, ret, args) #name,
#include "abi/symbols.h"
  };
  const char* const full = std::getenv("NVML_MIG_TEST_FULL");
  const std::size_t step = full != nullptr && std::string(full) == "1" ? 1 : 10;
  *unplayed = 0;
  for (std::size_t i = 0; i < std::size(kUnmodelled); i += step, ++*unplayed) {
    names.push_back(kUnmodelled[i]);
  }
  return names;
}

}  // namespace

TEST_CASE("every function meets every kind of fault") {
  const std::vector<std::uint8_t> image = Arranged();
  LoadedNode node(image);
  unsigned unplayed, combinations = 0, changing = 0;
  const std::vector<std::string> functions = Functions(&unplayed);
  for (const std::string& function : functions) {
    CAPTURE(function);
    const Undisturbed usual = Watch(node, image, function);
    REQUIRE(usual.answer != kCode);
    changing += usual.before != usual.after;
    for (const Kind& kind : kKinds) {
      CAPTURE(kind.name);
      const unsigned value = kind.action == kSimulatorReturn ? 0u + kCode : kMilliseconds;
      const Wanted wanted = {.function = function.c_str(),
                             .action = kind.action,
                             .value = value,
                             .after = kind.after};
      Subject subject(node, image, function);
      if (function == "nvmlErrorString" && kind.action == kSimulatorReturn) {
        CHECK(TryInject(subject.node, wanted) == NVML_ERROR_INVALID_ARGUMENT);
        continue;
      }
      Strike(subject, kind, usual, Inject(subject.node, wanted));
      combinations++;
    }
  }
  // Mode, GPU instance and compute instance, with and without a place, and the end of both.
  CHECK(changing >= 7);
  CHECK(combinations == functions.size() * std::size(kKinds) - 2);
  MESSAGE(combinations << " combinations of " << functions.size() << " functions, " << unplayed
                       << " of them not played, and " << std::size(kKinds) << " kinds of fault; "
                       << changing << " functions changed the node");
}
