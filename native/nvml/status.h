// What a call into NVML came to: the code and the function that answered. Nothing in this folder
// throws, and nothing that can fail returns anything else.
#ifndef NVML_MIG_NVML_STATUS_H
#define NVML_MIG_NVML_STATUS_H

#include <cstdint>

#include "abi/nvml_abi.h"

namespace nvml {

// Stands for "unknown" or "none" wherever NVML or an older form of a call leaves a number out.
inline constexpr std::uint32_t kNone = 0xffffffff;

// Every function of the symbol list; the number is its place in that list.
enum class Symbol : std::uint32_t {
#define NVML_SYMBOL(name, ret, args) name,
#include "abi/symbols.h"
};

// Outcomes that NVML has no code for. They share Status::code with nvmlReturn_t and start where no
// nvmlReturn_t can be.
enum Outcome : std::uint32_t {
  kLibraryNotFound = 65538,
  kAmbiguousLibrary = 65539,
  kNotNvml = 65540,
  kInstanceReplaced = 65541,
  kPlacementUnavailable = 65542,
  kUndoFailed = 65543,
};

struct [[nodiscard]] Status {
  std::uint32_t code = NVML_SUCCESS;  // nvmlReturn_t or Outcome; a newer code keeps its number
  std::uint32_t call = kNone;         // Symbol of the function that answered, or kNone

  bool ok() const { return code == NVML_SUCCESS; }

  // Whether the next older form of a call is worth trying. A library that does not know a struct's
  // version may call it an invalid argument, so the oldest form decides whether the arguments
  // themselves were wrong: its answer is final.
  bool wants_older_form() const {
    return code == NVML_ERROR_FUNCTION_NOT_FOUND || code == NVML_ERROR_ARGUMENT_VERSION_MISMATCH ||
           code == NVML_ERROR_DEPRECATED || code == NVML_ERROR_INVALID_ARGUMENT;
  }

  // Whether this very function is one that does not apply here.
  bool unsupported(Symbol function) const {
    return code == NVML_ERROR_NOT_SUPPORTED && call == static_cast<std::uint32_t>(function);
  }

  // Whether a cached GPU handle may be dead.
  bool doubts_handle() const {
    return code == NVML_ERROR_INVALID_ARGUMENT || code == NVML_ERROR_GPU_IS_LOST ||
           code == NVML_ERROR_RESET_REQUIRED;
  }

  // What a handle or id says whose instance went away between two calls.
  bool gone() const {
    return code == NVML_ERROR_NOT_FOUND || code == NVML_ERROR_INVALID_ARGUMENT;
  }
};

// Something that was asked for, and how that ended. Without success the value means nothing.
template <typename Value>
struct Told {
  Status status;
  Value value{};
};

// The outcome of a call that has one argument which can be wrong, the handle of an instance that was
// just looked up: NVML calls a handle that outlived its instance an invalid argument.
inline Status of_handle(Status status) {
  return status.code == NVML_ERROR_INVALID_ARGUMENT ? Status{NVML_ERROR_NOT_FOUND, status.call}
                                                    : status;
}

// The outcome of a failure that made an undo necessary: the failure itself if the undo worked, or
// somebody else had destroyed what was to be undone.
inline Status after_undo(Status failure, Status undo) {
  return undo.ok() || undo.gone() ? failure : Status{kUndoFailed, undo.call};
}

}  // namespace nvml

#endif  // NVML_MIG_NVML_STATUS_H
