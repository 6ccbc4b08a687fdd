// Settings, devices, contexts and errors of the emulated driver.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator.h"

namespace emulator {
namespace {

constexpr int kMaxDevices = 16;
std::mutex settingsLock;
std::map<std::string, std::string> &settings = *new std::map<std::string, std::string>;
bool initialised;
Device *devices[kMaxDevices];
Context contexts[kMaxDevices];
std::mutex devicesLock;
// The stack of current contexts.
thread_local std::vector<Context *> *current;

int deviceCount() {
  int n = (int)setting("DEVICES", 1);
  return n < 0 ? 0 : n > kMaxDevices ? kMaxDevices : n;
}

Context *top() { return current && !current->empty() ? current->back() : nullptr; }

std::vector<Context *> &stack() {
  if (!current) current = new std::vector<Context *>;
  return *current;
}

struct Named { int status; const char *name, *meaning; };
constexpr Named kNames[] = {
  {0, "CUDA_SUCCESS", "no error"},
  {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
  {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
  {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
  {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
  {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
  {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
  {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
  {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
  {217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED", "peer access is not supported between these two devices"},
  {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
  {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
  {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
  {600, "CUDA_ERROR_NOT_READY", "device not ready"},
  {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
  {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
  {704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", "peer access is already enabled"},
  {705, "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED", "peer access has not been enabled"},
  {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
  {710, "CUDA_ERROR_ASSERT", "device-side assert triggered"},
  {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "an illegal instruction was encountered"},
  {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
  {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
  {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
  {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
  {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
  {903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
  {904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
  {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
  {906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing blocking stream"},
  {907, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
  {908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
  {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

}  // namespace

int64_t setting(const char *name, int64_t otherwise) {
  std::lock_guard<std::mutex> hold(settingsLock);
  auto it = settings.find(name);
  if (it == settings.end()) {
    const char *value = getenv((std::string("GATUN_EMULATOR_") + name).c_str());
    it = settings.emplace(name, value ? value : "").first;
  }
  return it->second.empty() ? otherwise : strtoll(it->second.c_str(), nullptr, 0);
}

uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

int computeCapability() { return (int)setting("CC", 90); }

Device *device(int ordinal) {
  std::lock_guard<std::mutex> hold(devicesLock);
  if (!devices[ordinal]) {
    devices[ordinal] = new Device;
    devices[ordinal]->ordinal = ordinal;
    contexts[ordinal].device = devices[ordinal];
  }
  return devices[ordinal];
}

int currentDevice() { return top() ? top()->device->ordinal : -1; }

Entry::Entry() {
  if (!initialised) {
    status = kNotInitialized;
  } else if (!top()) {
    status = kInvalidContext;
  } else {
    device = top()->device;
    lock = std::unique_lock<std::recursive_mutex>(device->lock);
    status = device->retained == 0 ? kContextIsDestroyed : device->sticky;
  }
}

int stick(Device *device, int status) {
  if (isSticky(status) && !device->sticky) device->sticky = status;
  return status;
}

}  // namespace emulator

using namespace emulator;

// Not of CUDA: what a test sets while the process runs, as the environment's GATUN_EMULATOR_<name>; an empty value takes it back.
API int gatunEmulatorSet(const char *name, const char *value) {
  std::lock_guard<std::mutex> hold(settingsLock);
  settings[name] = value;
  return kSuccess;
}

API int cuInit(unsigned flags) {
  if (flags) return kInvalidValue;
  if (deviceCount() == 0) return kNoDevice;
  initialised = true;
  return kSuccess;
}
API int cuDriverGetVersion(int *version) {
  if (!version) return kInvalidValue;
  *version = (int)setting("DRIVER", 13000);
  return kSuccess;
}
API int cuGetErrorName(int status, const char **name) {
  for (auto &n : kNames) if (n.status == status) return *name = n.name, (int)kSuccess;
  *name = nullptr;
  return kInvalidValue;
}
API int cuGetErrorString(int status, const char **text) {
  static thread_local std::string told;
  for (auto &n : kNames) {
    if (n.status != status) continue;
    std::string story = lastFault();
    told = n.meaning;
    // What NVIDIA's driver cannot tell.
    if (isSticky(status) && !story.empty()) told += " [emulator: " + story + "]";
    *text = told.c_str();
    return kSuccess;
  }
  *text = nullptr;
  return kInvalidValue;
}

API int cuDeviceGetCount(int *count) {
  if (!initialised) return kNotInitialized;
  if (!count) return kInvalidValue;
  *count = deviceCount();
  return kSuccess;
}
static int checkDevice(int d) { return !initialised ? kNotInitialized : d < 0 || d >= deviceCount() ? kInvalidDevice : kSuccess; }
API int cuDeviceGet(int *d, int ordinal) {
  if (int status = checkDevice(ordinal)) return status;
  *d = ordinal;
  return kSuccess;
}
API int cuDeviceGetName(char *name, int length, int d) {
  if (int status = checkDevice(d)) return status;
  if (!name || length <= 0) return kInvalidValue;
  snprintf(name, (size_t)length, "Gatun emulator (no GPU)");
  return kSuccess;
}
API int cuDeviceGetUuid_v2(unsigned char *uuid, int d) {
  if (int status = checkDevice(d)) return status;
  memcpy(uuid, "GATUN-EMULATOR-", 15);
  uuid[15] = (unsigned char)('0' + d);
  return kSuccess;
}
API int cuDeviceTotalMem_v2(size_t *bytes, int d) {
  if (int status = checkDevice(d)) return status;
  *bytes = totalBytes(d);
  return kSuccess;
}
// Attributes of the card whose compute capability is emulated; few multiprocessors, so that grids sized by them stay small.
API int cuDeviceGetAttribute(int *value, int attribute, int d) {
  if (int status = checkDevice(d)) return status;
  if (!value) return kInvalidValue;
  int cc = computeCapability();
  static const std::map<int, int> &fixed = *new std::map<int, int>{
      {1, 1024}, {2, 1024}, {3, 1024}, {4, 64},             // threads per block, block x y z
      {5, 2147483647}, {6, 65535}, {7, 65535},              // grid x y z
      {8, 49152}, {10, 32}, {12, 65536}, {13, 1980000},     // shared per block, warp, registers per block, kHz
      {14, 512}, {15, 1}, {18, 0}, {19, 1}, {20, 0},        // texture alignment, overlap, integrated, map host memory, compute mode
      {31, 1}, {33, 0}, {34, 0}, {36, 3201000}, {37, 6144}, // concurrent kernels, pci bus and device, memory kHz, bus width
      {38, 62914560}, {39, 2048}, {40, 2}, {41, 1},         // L2 bytes, threads per multiprocessor, copy engines, unified addressing
      {78, 1}, {79, 1}, {80, 1}, {82, 65536}, {83, 1}, {89, 1}, {95, 1}, {106, 32}, {111, 1024}, {115, 1}};
  switch (attribute) {
    case 16: *value = (int)setting("MULTIPROCESSORS", 4); return kSuccess;
    case 75: *value = cc / 10; return kSuccess;
    case 76: *value = cc % 10; return kSuccess;
    case 81: *value = cc == 80 ? 167936 : 233472; return kSuccess;
    case 97: *value = cc == 80 ? 166912 : 232448; return kSuccess;
  }
  auto it = fixed.find(attribute);
  if (it == fixed.end()) return kInvalidValue;
  *value = it->second;
  return kSuccess;
}
API int cuDeviceGetPCIBusId(char *id, int length, int d) {
  if (int status = checkDevice(d)) return status;
  snprintf(id, (size_t)length, "0000:%02X:00.0", d);
  return kSuccess;
}

API int cuDevicePrimaryCtxRetain(Context **context, int d) {
  if (int status = checkDevice(d)) return status;
  Device *dev = device(d);
  std::lock_guard<std::recursive_mutex> hold(dev->lock);
  dev->retained++;
  *context = &contexts[d];
  return kSuccess;
}
static void destroyContext(Device *dev) {
  drainAll(dev);
  releaseAll(dev->ordinal);
  dev->sticky = 0;
  dev->peers.clear();
}
API int cuDevicePrimaryCtxRelease_v2(int d) {
  if (int status = checkDevice(d)) return status;
  Device *dev = device(d);
  std::lock_guard<std::recursive_mutex> hold(dev->lock);
  if (dev->retained == 0) return kInvalidContext;
  if (--dev->retained == 0) destroyContext(dev);
  return kSuccess;
}
API int cuDevicePrimaryCtxReset_v2(int d) {
  if (int status = checkDevice(d)) return status;
  Device *dev = device(d);
  std::lock_guard<std::recursive_mutex> hold(dev->lock);
  destroyContext(dev);
  return kSuccess;
}
API int cuDevicePrimaryCtxGetState(int d, unsigned *flags, int *active) {
  if (int status = checkDevice(d)) return status;
  *flags = 0;
  *active = device(d)->retained > 0;
  return kSuccess;
}
static int checkContext(Context *c) {
  if (!initialised) return kNotInitialized;
  return !c || (c >= contexts && c < contexts + kMaxDevices) ? kSuccess : kInvalidContext;
}
API int cuCtxSetCurrent(Context *context) {
  if (int status = checkContext(context)) return status;
  auto &contexts = stack();
  if (!contexts.empty()) contexts.pop_back();
  if (context) contexts.push_back(context);
  return kSuccess;
}
API int cuCtxPushCurrent_v2(Context *context) {
  if (int status = checkContext(context)) return status;
  if (!context) return kInvalidContext;
  stack().push_back(context);
  return kSuccess;
}
API int cuCtxPopCurrent_v2(Context **context) {
  if (!top()) return kInvalidContext;
  if (context) *context = top();
  stack().pop_back();
  return kSuccess;
}
API int cuCtxGetCurrent(Context **context) {
  if (!initialised) return kNotInitialized;
  *context = top();
  return kSuccess;
}
API int cuCtxGetDevice(int *d) {
  if (!initialised) return kNotInitialized;
  if (!top()) return kInvalidContext;
  *d = top()->device->ordinal;
  return kSuccess;
}
API int cuCtxGetApiVersion(Context *, unsigned *version) { *version = 13000; return kSuccess; }
API int cuCtxGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return kSuccess; }
API int cuCtxSynchronize() {
  Entry entry;
  if (entry.status) return entry.status;
  if (int status = refuseInCapture()) return status;
  return drainAll(entry.device);
}

API int cuDeviceCanAccessPeer(int *can, int d, int peer) {
  if (int status = checkDevice(d)) return status;
  if (int status = checkDevice(peer)) return status;
  *can = d != peer && setting("PEERS", 1);
  return kSuccess;
}
API int cuCtxEnablePeerAccess(Context *peer, unsigned flags) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!peer || checkContext(peer)) return kInvalidContext;
  if (flags) return kInvalidValue;
  if (!setting("PEERS", 1) || peer->device == entry.device) return kPeerAccessUnsupported;
  return entry.device->peers.insert(peer->device->ordinal).second ? kSuccess : kPeerAccessAlreadyEnabled;
}
API int cuCtxDisablePeerAccess(Context *peer) {
  Entry entry;
  if (entry.status) return entry.status;
  return entry.device->peers.erase(peer->device->ordinal) ? kSuccess : kPeerAccessNotEnabled;
}
