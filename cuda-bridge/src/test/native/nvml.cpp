// libnvidia-ml.so.1 of the emulator: readings that no card gives (1.234 W, 7 MHz, 1 °C), so that nobody takes
// them for measured ones. Memory is the emulated driver's.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator.h"

using namespace emulator;

namespace {

enum Result { kOk = 0, kUninitialised = 1, kInvalidArgument = 2, kNoSuch = 6 };
bool initialised;
struct Memory { unsigned long long total, free, used; };

// A device's handle is its ordinal + 1.
int ordinalOf(void *device) { return (int)(uintptr_t)device - 1; }
int check(void *device, const void *out) {
  if (!initialised) return kUninitialised;
  int ordinal = ordinalOf(device);
  return out && ordinal >= 0 && ordinal < setting("DEVICES", 1) ? kOk : kInvalidArgument;
}
int give(void *device, unsigned *out, unsigned value) {
  if (int status = check(device, out)) return status;
  *out = value;
  return kOk;
}

}  // namespace

API int nvmlInit_v2() { return initialised = true, kOk; }
API int nvmlShutdown() { return initialised = false, kOk; }
API const char *nvmlErrorString(int status) {
  switch (status) {
    case kOk: return "Success";
    case kUninitialised: return "Uninitialized";
    case kInvalidArgument: return "Invalid Argument";
    case kNoSuch: return "Not Found";
  }
  return "Unknown Error";
}
API int nvmlSystemGetDriverVersion(char *version, unsigned length) {
  if (!initialised) return kUninitialised;
  snprintf(version, length, "0.0-emulator");
  return kOk;
}
API int nvmlDeviceGetCount_v2(unsigned *count) {
  if (!initialised) return kUninitialised;
  *count = (unsigned)setting("DEVICES", 1);
  return kOk;
}
API int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
  *device = (void *)(uintptr_t)(index + 1);
  return check(*device, device);
}
API int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **device) {
  if (!initialised) return kUninitialised;
  unsigned domain, ordinal;
  if (!bus || !device || sscanf(bus, "%x:%x:", &domain, &ordinal) != 2) return kInvalidArgument;
  *device = (void *)(uintptr_t)(ordinal + 1);
  return check(*device, device) ? kNoSuch : kOk;
}
API int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) { return give(device, milliwatts, 1234); }
API int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz) { return give(device, mhz, type == 2 ? 8 : 7); }
API int nvmlDeviceGetTemperature(void *device, int, unsigned *celsius) { return give(device, celsius, 1); }
API int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
  if (int status = check(device, memory)) return status;
  memory->total = totalBytes(ordinalOf(device));
  memory->used = usedBytes(ordinalOf(device));
  memory->free = memory->total - memory->used;
  return kOk;
}
API int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *bits) {
  if (int status = check(device, bits)) return status;
  *bits = 1;  // idle
  return kOk;
}
API int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits) { return nvmlDeviceGetCurrentClocksEventReasons(device, bits); }
