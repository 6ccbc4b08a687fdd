// The driver's calls on memory: blocks, copies and fills.
#include <cstdio>
#include <cstring>

#include "emulator.h"

using namespace emulator;

namespace {

std::string hex(uintptr_t p) {
  char text[32];
  snprintf(text, sizeof text, "0x%lx", (unsigned long)p);
  return text;
}

// What a copy engine would fault at. `onHost`: any memory of the process will do.
void mustBeDevice(uintptr_t p, size_t bytes, const char *what) {
  if (!blockOf(p, bytes)) {
    fail(kIllegalAddress, std::string(what) + " of " + std::to_string(bytes) + " bytes at " + hex(p) + " leaves device memory: " + describe(p + bytes - 1));
  }
}

bool isPinned(const void *p, size_t bytes) { return blockOf((uintptr_t)p, bytes) != nullptr; }

int now(const char *what, const std::function<int()> &work) {
  Entry entry;
  if (entry.status) return entry.status;
  if (int status = refuseInCapture()) return status;
  // The legacy stream waits for the blocking ones; those made with NON_BLOCKING it does not order.
  if (int status = synchronize(nullptr)) return status;
  return stick(entry.device, guarded(what, work));
}

int upload(uintptr_t to, const void *from, size_t bytes) {
  mustBeDevice(to, bytes, "a copy to the device");
  memcpy((void *)to, from, bytes);
  return kSuccess;
}
int download(void *to, uintptr_t from, size_t bytes) {
  mustBeDevice(from, bytes, "a copy from the device");
  memcpy(to, (const void *)from, bytes);
  return kSuccess;
}
int move(uintptr_t to, uintptr_t from, size_t bytes) {
  mustBeDevice(from, bytes, "a copy's source");
  mustBeDevice(to, bytes, "a copy's target");
  if (to < from + bytes && from < to + bytes) fail(kIllegalAddress, "the two sides of a copy on the device overlap");
  memcpy((void *)to, (const void *)from, bytes);
  return kSuccess;
}
template <class T> int fill(uintptr_t to, T value, size_t count) {
  mustBeDevice(to, count * sizeof(T), "a fill");
  T *words = (T *)to;
  for (size_t i = 0; i < count; i++) words[i] = value;
  return kSuccess;
}

// A replay would use pageable memory that may be gone.
int refusePageable(void *stream) {
  Entry entry;
  int status;
  Stream *s = streamOf(stream, &status);
  return s ? invalidate(s, kCaptureUnsupported) : status;
}

int deviceAllocate(uintptr_t *address, size_t bytes) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!address) return kInvalidValue;
  if (int status = refuseInCapture()) return status;
  int status = allocate(entry.device->ordinal, bytes, address);
  if (status == kOutOfMemory && drainAll(entry.device) == kSuccess) status = allocate(entry.device->ordinal, bytes, address);
  return status;
}

}  // namespace

API int cuMemAlloc_v2(uintptr_t *address, size_t bytes) { return deviceAllocate(address, bytes); }
API int cuMemFree_v2(uintptr_t address) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!address) return kSuccess;
  if (int status = refuseInCapture()) return status;
  if (int status = drainAll(entry.device)) return status;
  return stick(entry.device, release(address, entry.device->ordinal));
}
API int cuMemGetInfo_v2(size_t *free, size_t *total) {
  Entry entry;
  if (entry.status) return entry.status;
  *total = totalBytes(entry.device->ordinal);
  *free = *total - usedBytes(entry.device->ordinal);
  return kSuccess;
}
// The address is fixed at once, the block lives from the call on: an earlier use on another stream is not noticed.
API int cuMemAllocAsync(uintptr_t *address, size_t bytes, void *stream) {
  int status;
  {
    Entry entry;
    if (entry.status) return entry.status;
    if (!streamOf(stream, &status)) return status;
    if (isCapturing(stream)) return kNotSupported;  // the real driver makes a memory node; this project's graphs have none
  }
  return deviceAllocate(address, bytes);
}
API int cuMemFreeAsync(uintptr_t address, void *stream) {
  Entry entry;
  if (entry.status) return entry.status;
  if (isCapturing(stream)) return kNotSupported;
  const Block *block = blockOf(address, 1);
  if (!block || block->start != address) return kInvalidValue;
  int ordinal = entry.device->ordinal;
  return enqueue(stream, "cuMemFreeAsync", [=]() -> int { return release(address, ordinal); });
}
// The pool: freed blocks are never kept here, so that their use shows.
API int cuDeviceGetDefaultMemPool(void **pool, int ordinal) {
  if (ordinal < 0 || ordinal >= setting("DEVICES", 1)) return kInvalidDevice;
  *pool = device(ordinal);
  return kSuccess;
}
API int cuMemPoolSetAttribute(void *pool, int, void *value) { return pool && value ? kSuccess : kInvalidValue; }
API int cuMemPoolTrimTo(void *pool, size_t) { return pool ? kSuccess : kInvalidValue; }
API int cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  Entry entry;
  if (entry.status) return entry.status;
  if (int status = refuseInCapture()) return status;
  return pinned(bytes, address);
}
API int cuMemAllocHost_v2(void **address, size_t bytes) { return cuMemHostAlloc(address, bytes, 0); }
API int cuMemFreeHost(void *address) {
  Entry entry;
  if (entry.status) return entry.status;
  if (int status = refuseInCapture()) return status;
  if (int status = drainAll(entry.device)) return status;
  return stick(entry.device, release((uintptr_t)address, -1));
}
API int cuMemHostGetDevicePointer_v2(uintptr_t *address, void *host, unsigned) {
  if (!isPinned(host, 1)) return kInvalidValue;
  *address = (uintptr_t)host;
  return kSuccess;
}
API int cuPointerGetAttribute(void *data, int attribute, uintptr_t address) {
  const Block *block = blockOf(address, 1);
  if (!block) return kInvalidValue;
  switch (attribute) {
    case 2: *(int *)data = block->device < 0 ? 1 : 2; return kSuccess;  // memory type: host 1, device 2
    case 9: *(int *)data = block->device; return kSuccess;              // device ordinal
  }
  return kInvalidValue;
}

API int cuMemcpyHtoD_v2(uintptr_t to, const void *from, size_t bytes) {
  return now("cuMemcpyHtoD", [=] { return upload(to, from, bytes); });
}
API int cuMemcpyDtoH_v2(void *to, uintptr_t from, size_t bytes) {
  return now("cuMemcpyDtoH", [=] { return download(to, from, bytes); });
}
API int cuMemcpyDtoD_v2(uintptr_t to, uintptr_t from, size_t bytes) {
  return now("cuMemcpyDtoD", [=] { return move(to, from, bytes); });
}
API int cuMemcpyHtoDAsync_v2(uintptr_t to, const void *from, size_t bytes, void *stream) {
  if (isPinned(from, bytes)) return enqueue(stream, "cuMemcpyHtoDAsync", [=] { return upload(to, from, bytes); });
  if (isCapturing(stream)) return refusePageable(stream);
  auto staged = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
  return enqueue(stream, "cuMemcpyHtoDAsync", [=] { return upload(to, staged->data(), bytes); });
}
API int cuMemcpyDtoHAsync_v2(void *to, uintptr_t from, size_t bytes, void *stream) {
  bool here = !isPinned(to, bytes);
  if (here && isCapturing(stream)) return refusePageable(stream);
  int status = enqueue(stream, "cuMemcpyDtoHAsync", [=] { return download(to, from, bytes); });
  return status || !here ? status : synchronize(stream);  // into pageable memory the real call returns when it has copied
}
API int cuMemcpyDtoDAsync_v2(uintptr_t to, uintptr_t from, size_t bytes, void *stream) {
  return enqueue(stream, "cuMemcpyDtoDAsync", [=] { return move(to, from, bytes); });
}
API int cuMemcpyAsync(uintptr_t to, uintptr_t from, size_t bytes, void *stream) { return cuMemcpyDtoDAsync_v2(to, from, bytes, stream); }
API int cuMemcpyPeerAsync(uintptr_t to, Context *, uintptr_t from, Context *, size_t bytes, void *stream) {
  return cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
}
API int cuMemsetD8_v2(uintptr_t to, unsigned char value, size_t n) {
  return now("cuMemsetD8", [=] { return fill(to, value, n); });
}
API int cuMemsetD32_v2(uintptr_t to, unsigned value, size_t n) {
  if (to % 4) return kInvalidValue;
  return now("cuMemsetD32", [=] { return fill(to, value, n); });
}
API int cuMemsetD8Async(uintptr_t to, unsigned char value, size_t n, void *stream) {
  return enqueue(stream, "cuMemsetD8Async", [=] { return fill(to, value, n); });
}
API int cuMemsetD16Async(uintptr_t to, unsigned short value, size_t n, void *stream) {
  if (to % 2) return kInvalidValue;
  return enqueue(stream, "cuMemsetD16Async", [=] { return fill(to, value, n); });
}
API int cuMemsetD32Async(uintptr_t to, unsigned value, size_t n, void *stream) {
  if (to % 4) return kInvalidValue;
  return enqueue(stream, "cuMemsetD32Async", [=] { return fill(to, value, n); });
}
