// One libnvidia-ml.so.1, opened while the program runs and never linked: a machine without a driver
// can still load everything above.
#ifndef NVML_MIG_NVML_LIBRARY_H
#define NVML_MIG_NVML_LIBRARY_H

#include <memory>
#include <string>

#include "abi/figures.h"  // asserts what the compiler made of nvml_abi.h
#include "calls.h"
#include "status.h"

namespace nvml {

// A function of the library. Called, it answers with its code and its own name; one that this
// library lacks fails that call alone, with FUNCTION_NOT_FOUND.
template <Symbol symbol, typename Signature>
class Function;

template <Symbol symbol, typename Result, typename... Arguments>
class Function<symbol, Result(Arguments...)> {
 public:
  bool exported() const { return pointer_ != nullptr; }
  void bind(void* address, Calls* calls) {
    pointer_ = reinterpret_cast<Result (*)(Arguments...)>(address);
    calls_ = calls;
  }

  Status operator()(Arguments... arguments) const {
    constexpr auto call = static_cast<std::uint32_t>(symbol);
    if (pointer_ == nullptr) return {NVML_ERROR_FUNCTION_NOT_FOUND, call};
    return {calls_->carry_out(
                call, [&] { return static_cast<std::uint32_t>(pointer_(arguments...)); }),
            call};
  }

 private:
  Result (*pointer_)(Arguments...) = nullptr;
  Calls* calls_ = nullptr;
};

class Library {
 public:
  // Opens the named file (relative names count from the working directory; the loader does not
  // search for it), or with null whatever the loader finds as libnvidia-ml.so.1. Does not call
  // nvmlInit_v2. On failure `why` is a sentence naming what was tried. `calls` outlives the library
  // and, like its functions, belongs to one thread.
  static Status open(const char* path, Calls* calls, std::unique_ptr<Library>* library,
                     std::string* why);

  // Unloads the library unless someone else has it open too. NVML must be shut down by then.
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  // What became of a file that a library was unloaded from.
  struct Release {
    bool unloaded = true;  // nothing of it is left in this process
    unsigned others = 0;   // libraries opened here that still have it
  };
  static Release release(std::unique_ptr<Library> library);

  // Gives the library up without unloading it: a thread may still be inside.
  static void leave(std::unique_ptr<Library> library) { library->handle_ = nullptr; }

  // The file that answered, as an absolute path without links.
  const std::string& file() const { return file_; }

#define NVML_SYMBOL(name, ret, args) Function<Symbol::name, ret args> name;
#include "abi/symbols.h"

 private:
  Library(void* handle, std::string file, Calls* calls);

  void* handle_;
  std::string file_;
  std::string loaded_as_;  // what the loader knows it by, which a link may be
};

}  // namespace nvml

#endif  // NVML_MIG_NVML_LIBRARY_H
