#include "library.h"

#include <dlfcn.h>
#include <link.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <vector>

namespace nvml {
namespace {

constexpr char kBareName[] = "libnvidia-ml.so.1";

// The loader is one per process, so what it was asked for is remembered per process: it answers
// the bare name with any library of that soname that is loaded already, wherever that came from.
// A file that is loaded no more is forgotten: a process may go through thousands of them.
struct LoaderHistory {
  std::mutex mutex;
  std::set<std::string> opened_by_path;
  std::set<std::string> found_by_search;
  std::map<std::string, unsigned> open;  // how many have a file open, by what the loader calls it
};

LoaderHistory& loader_history() {
  static auto* history = new LoaderHistory;  // never destroyed: threads may outlive static teardown
  return *history;
}

std::string resolved(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) != nullptr ? real : path;
}

std::string name_of(void* handle) {
  link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return {};
  return map->l_name;
}

std::string file_of(void* handle) { return resolved(name_of(handle)); }

// By the name alone: under a path there may be another file by now.
bool is_loaded(const std::string& name) {
  void* present = dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (present == nullptr) return false;
  dlclose(present);
  return true;
}

// Whether searching the loader's directories leads to `file`, so that the bare name means it even
// in a process that has nothing loaded. The loader's cache cannot be asked; a file that only the
// cache knows counts as not found.
bool search_leads_to(void* handle, const std::string& file) {
  Dl_serinfo needed{};
  if (dlinfo(handle, RTLD_DI_SERINFOSIZE, &needed) != 0) return false;
  std::vector<char> storage(needed.dls_size);
  auto* search = reinterpret_cast<Dl_serinfo*>(storage.data());
  if (dlinfo(handle, RTLD_DI_SERINFOSIZE, search) != 0 ||
      dlinfo(handle, RTLD_DI_SERINFO, search) != 0) {
    return false;
  }
  for (unsigned i = 0; i < search->dls_cnt; i++) {
    const std::filesystem::path candidate =
        std::filesystem::path(search->dls_serpath[i].dls_name) / kBareName;
    std::error_code error;
    if (std::filesystem::exists(candidate, error)) return resolved(candidate) == file;
  }
  return false;
}

std::string absolute(const char* path) {
  std::error_code error;
  const auto result = std::filesystem::absolute(path, error);
  return error ? path : result.string();
}

}  // namespace

Status Library::open(const char* path, Calls* calls, std::unique_ptr<Library>* library,
                     std::string* why) {
  LoaderHistory& history = loader_history();
  const std::lock_guard lock(history.mutex);
  bool searched = path == nullptr;
  if (searched) {
    if (void* present = dlopen(kBareName, RTLD_LAZY | RTLD_NOLOAD)) {
      searched = false;
      const std::string file = file_of(present);
      const bool stranger = history.opened_by_path.contains(file) &&
                            !history.found_by_search.contains(file) &&
                            !search_leads_to(present, file);
      dlclose(present);
      if (stranger) {
        *why = "this process has " + file + " open, and the loader would answer " + kBareName +
               " with it";
        return {kAmbiguousLibrary};
      }
    }
  }

  const std::string name = path == nullptr ? kBareName : absolute(path);
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    *why = dlerror();
    return {kLibraryNotFound};
  }
  std::string file = file_of(handle);
  if (dlsym(handle, "nvmlInit_v2") == nullptr) {
    *why = file + " has no function nvmlInit_v2";
    dlclose(handle);
    return {kNotNvml};
  }
  if (path != nullptr) history.opened_by_path.insert(file);
  if (searched) history.found_by_search.insert(file);
  library->reset(new Library(handle, std::move(file), calls));
  history.open[(*library)->loaded_as_]++;
  return {};
}

Library::Library(void* handle, std::string file, Calls* calls)
    : handle_(handle), file_(std::move(file)), loaded_as_(name_of(handle)) {
#define NVML_SYMBOL(symbol, ret, args) symbol.bind(dlsym(handle_, #symbol), calls);
#include "abi/symbols.h"
}

Library::~Library() {
  if (handle_ == nullptr) return;
  LoaderHistory& history = loader_history();
  const std::lock_guard lock(history.mutex);
  dlclose(handle_);
  if (--history.open[loaded_as_] == 0) history.open.erase(loaded_as_);
  if (is_loaded(loaded_as_)) return;
  history.opened_by_path.erase(file_);
  history.found_by_search.erase(file_);
}

Library::Release Library::release(std::unique_ptr<Library> library) {
  const std::string name = library->loaded_as_;
  library.reset();
  LoaderHistory& history = loader_history();
  const std::lock_guard lock(history.mutex);
  const auto found = history.open.find(name);
  return {!is_loaded(name), found == history.open.end() ? 0 : found->second};
}

}  // namespace nvml
