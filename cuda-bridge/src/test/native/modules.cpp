// Modules and launches. A "cubin" is the shared object that the emulated NVRTC made of a CUDA source; it is loaded from a file that is
// removed at once.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "emulator.h"

extern "C" void *__tls_get_addr(size_t *index);  // of the C library: the place of a module's thread-local memory

namespace emulator {
namespace {

constexpr int kMaxDynamicShared = 49152;

struct LoadedModule;
struct Function {
  LoadedModule *module;
  const gatun::Kernel *kernel;
  int dynamicShared = kMaxDynamicShared;
};
struct LoadedModule {
  void *library;
  const gatun::Module *module;
  std::map<std::string, Function> functions;
  size_t tlsModule = 0, tlsBytes = 0;
};

std::mutex lock;
std::set<LoadedModule *> &modules = *new std::set<LoadedModule *>;
std::set<Function *> &functions = *new std::set<Function *>;

size_t elfBytes(const Elf64_Ehdr *header) { return header->e_shoff + (size_t)header->e_shnum * header->e_shentsize; }

int mostShared() { return computeCapability() == 80 ? 166912 : 232448; }

void findShared(LoadedModule *m) {
  dlinfo(m->library, RTLD_DI_TLS_MODID, &m->tlsModule);
  struct Found { uintptr_t base; size_t bytes; } found{};
  struct link_map *map;
  dlinfo(m->library, RTLD_DI_LINKMAP, &map);
  found.base = map->l_addr;
  dl_iterate_phdr([](dl_phdr_info *info, size_t, void *data) {
    auto f = static_cast<Found *>(data);
    if (info->dlpi_addr != f->base) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) if (info->dlpi_phdr[i].p_type == PT_TLS) f->bytes = info->dlpi_phdr[i].p_memsz;
    return 1;
  }, &found);
  m->tlsBytes = found.bytes;
}

int load(LoadedModule **loaded, const void *image) {
  auto header = static_cast<const Elf64_Ehdr *>(image);
  if (memcmp(header, ELFMAG, SELFMAG)) return memcmp(image, ".version", 8) && memcmp(image, "//", 2) ? kInvalidImage : kInvalidPtx;
  if (header->e_machine == 190) return kNoBinaryForGpu;  // EM_CUDA: a real cubin
  static std::atomic<int> count;
  const char *folder = getenv("TMPDIR");
  std::string path = std::string(folder ? folder : "/tmp") + "/gatun-emulator-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".so";
  {
    std::ofstream file(path, std::ios::binary);
    file.write(static_cast<const char *>(image), (std::streamsize)elfBytes(header));
    if (!file.good()) return kUnknown;
  }
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  unlink(path.c_str());
  if (!library) {
    fprintf(stderr, "CUDA emulator: %s\n", dlerror());
    return kInvalidImage;
  }
  auto module = static_cast<const gatun::Module *>(dlsym(library, "gatunModule"));
  if (!module || module->abi != gatun::kAbi) return dlclose(library), kInvalidImage;
  // A cubin runs on its own major version, from its minor version on.
  int card = computeCapability(), made = (int)module->architecture;
  if (made / 10 != card / 10 || made % 10 > card % 10) return dlclose(library), kNoBinaryForGpu;
  auto m = new LoadedModule{library, module, {}};
  findShared(m);
  std::lock_guard<std::mutex> hold(lock);
  for (unsigned i = 0; i < module->kernelCount; i++) {
    Function &f = m->functions[module->kernels[i].name] = Function{m, &module->kernels[i]};
    functions.insert(&f);
  }
  modules.insert(m);
  *loaded = m;
  return kSuccess;
}

bool isLive(Function *f) {
  std::lock_guard<std::mutex> hold(lock);
  return functions.count(f) > 0;
}

// A launch with its own copy of the arguments.
struct Prepared {
  Launch launch;
  LoadedModule *module;
  Device *device;
  std::vector<unsigned char> bytes;
  std::vector<void *> values;
};

void checkPointers(const Prepared &p) {
  const gatun::Kernel &k = *p.launch.kernel;
  for (unsigned i = 0; i < k.parameterCount; i++) {
    if (!k.parameters[i].pointer) continue;
    uintptr_t address;
    memcpy(&address, p.values[i], sizeof address);
    if (!address) continue;
    const Block *b = blockOf(address, 0);
    std::string which = "argument " + std::to_string(i) + " of kernel " + k.name;
    char hex[32];
    snprintf(hex, sizeof hex, "0x%lx", (unsigned long)address);
    if (!b) fail(kIllegalAddress, which + " is " + hex + ", " + describe(address));
    if (b->device >= 0 && b->device != p.device->ordinal && !p.device->peers.count(b->device)) {
      fail(kIllegalAddress, which + " is memory of device " + std::to_string(b->device) + ", to which device "
          + std::to_string(p.device->ordinal) + " has no access");
    }
  }
}

int run(Prepared &p) {
  checkPointers(p);
  if (p.launch.staticSharedBytes) {
    size_t index[2] = {p.module->tlsModule, 0};
    p.launch.staticShared = __tls_get_addr(index);
  }
  runGrid(p.launch, p.values.data());
  return kSuccess;
}

}  // namespace
}  // namespace emulator

using namespace emulator;

API int cuModuleLoadData(LoadedModule **module, const void *image) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!module || !image) return kInvalidValue;
  if (int status = refuseInCapture()) return status;
  return load(module, image);
}
API int cuModuleLoadDataEx(LoadedModule **module, const void *image, unsigned, int *, void **) { return cuModuleLoadData(module, image); }
API int cuModuleUnload(LoadedModule *module) {
  Entry entry;
  if (!entry.device) return entry.status;
  drainAll(entry.device);
  std::lock_guard<std::mutex> hold(lock);
  if (!modules.erase(module)) return kInvalidHandle;
  for (auto &f : module->functions) functions.erase(&f.second);
  dlclose(module->library);
  delete module;
  return kSuccess;
}
API int cuModuleGetFunction(Function **function, LoadedModule *module, const char *name) {
  Entry entry;
  if (entry.status) return entry.status;
  std::lock_guard<std::mutex> hold(lock);
  if (!modules.count(module)) return kInvalidHandle;
  auto it = module->functions.find(name);
  if (it == module->functions.end()) return kNotFound;
  *function = &it->second;
  return kSuccess;
}
API int cuModuleGetGlobal_v2(uintptr_t *, size_t *, LoadedModule *, const char *) { return kNotFound; }
API int cuModuleGetFunctionCount(unsigned *count, LoadedModule *module) {
  std::lock_guard<std::mutex> hold(lock);
  if (!modules.count(module)) return kInvalidHandle;
  *count = module->module->kernelCount;
  return kSuccess;
}
API int cuFuncGetParamInfo(Function *function, size_t index, size_t *offset, size_t *size) {
  if (!isLive(function)) return kInvalidHandle;
  if (index >= function->kernel->parameterCount) return kInvalidValue;
  *offset = function->kernel->parameters[index].offset;
  if (size) *size = function->kernel->parameters[index].size;
  return kSuccess;
}
// Registers and local memory are unknown here, and 0; shared memory is that of the whole module.
API int cuFuncGetAttribute(int *value, int attribute, Function *function) {
  if (!isLive(function)) return kInvalidHandle;
  switch (attribute) {
    case 0: *value = (int)function->kernel->maxThreads; return kSuccess;
    case 1: *value = (int)function->module->tlsBytes; return kSuccess;
    case 2: case 3: case 4: case 7: *value = 0; return kSuccess;
    case 5: case 6: *value = (int)function->module->module->architecture; return kSuccess;
    case 8: *value = function->dynamicShared; return kSuccess;
    default: return kInvalidValue;
  }
}
API int cuFuncSetAttribute(Function *function, int attribute, int value) {
  if (!isLive(function)) return kInvalidHandle;
  if (attribute == 9) return kSuccess;  // a preferred carve-out is a hint
  if (attribute != 8 || value < 0 || value > mostShared()) return kInvalidValue;
  function->dynamicShared = value;
  return kSuccess;
}
API int cuFuncSetCacheConfig(Function *function, int) { return isLive(function) ? kSuccess : kInvalidHandle; }
API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function *function, int threads, size_t) {
  if (!isLive(function) || threads <= 0 || threads > 1024) return kInvalidValue;
  *blocks = 2048 / ((threads + 31) / 32 * 32);
  return kSuccess;
}
API int cuLaunchKernel(Function *function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,
                       unsigned sharedBytes, void *stream, void **parameters, void **extra) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!isLive(function)) return kInvalidHandle;
  const gatun::Kernel *kernel = function->kernel;
  uint64_t threads = (uint64_t)blockX * blockY * blockZ;
  if (extra || !gridX || !gridY || !gridZ || gridX > 2147483647u || gridY > 65535 || gridZ > 65535) return kInvalidValue;
  if (!threads || threads > 1024 || blockX > 1024 || blockY > 1024 || blockZ > 64) return kInvalidValue;
  if (threads > kernel->maxThreads) return kLaunchOutOfResources;
  if (sharedBytes > (unsigned)function->dynamicShared || (kernel->parameterCount && !parameters)) return kInvalidValue;
  auto p = std::make_shared<Prepared>();
  p->launch = Launch{kernel, function->module->module->runtime, {gridX, gridY, gridZ}, {blockX, blockY, blockZ}, sharedBytes, nullptr,
                     function->module->tlsBytes};
  p->module = function->module;
  p->device = entry.device;
  unsigned bytes = 0;
  for (unsigned i = 0; i < kernel->parameterCount; i++) bytes = kernel->parameters[i].offset + kernel->parameters[i].size;
  p->bytes.resize(bytes + 64);
  auto base = (unsigned char *)(((uintptr_t)p->bytes.data() + 63) & ~(uintptr_t)63);
  for (unsigned i = 0; i < kernel->parameterCount; i++) {
    p->values.push_back(base + kernel->parameters[i].offset);
    memcpy(p->values[i], parameters[i], kernel->parameters[i].size);
  }
  return enqueue(stream, kernel->name, [p] { return run(*p); });
}
