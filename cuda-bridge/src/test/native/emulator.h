// The inside of the emulated driver (libcuda.so.1), and what the other emulated libraries use of it.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kernel_abi.h"

#define EXPORT __attribute__((visibility("default")))
#define API extern "C" EXPORT

namespace emulator {

// The CUresult values that are used.
enum Status : int {
  kSuccess = 0, kInvalidValue = 1, kOutOfMemory = 2, kNotInitialized = 3, kNoDevice = 100, kInvalidDevice = 101, kInvalidImage = 200,
  kInvalidContext = 201, kNoBinaryForGpu = 209, kPeerAccessUnsupported = 217, kInvalidPtx = 218, kInvalidHandle = 400, kNotFound = 500,
  kNotReady = 600, kIllegalAddress = 700, kLaunchOutOfResources = 701, kPeerAccessAlreadyEnabled = 704, kPeerAccessNotEnabled = 705,
  kContextIsDestroyed = 709, kAssert = 710, kIllegalInstruction = 715, kMisalignedAddress = 716, kLaunchFailed = 719,
  kNotSupported = 801, kCaptureUnsupported = 900, kCaptureInvalidated = 901, kCaptureUnmatched = 903, kCaptureUnjoined = 904,
  kCaptureIsolation = 905, kCaptureImplicit = 906, kCapturedEvent = 907, kCaptureWrongThread = 908, kUnknown = 999
};

// ---- settings (settings.cpp): from the environment at first use (GATUN_EMULATOR_SEED ...), or by gatunEmulatorSet("SEED", "7").
EXPORT int64_t setting(const char *name, int64_t otherwise);
EXPORT uint64_t mix(uint64_t x);  // a hash for seeded choices

// ---- faults (faults.cpp)
// Runs work so that a fault of the processor in it (and fail() below) ends it, not the process; returns the CUDA status.
EXPORT int guarded(const std::string &what, const std::function<int()> &work);
[[noreturn]] EXPORT void fail(int status, const std::string &message);
// The last fault's story, told by cuGetErrorString with the standard text.
std::string lastFault();
bool isSticky(int status);

// ---- memory (memory.cpp)
struct Block {
  uintptr_t start;
  size_t bytes;       // as asked for
  int device;         // -1: pinned host memory
  uintptr_t pages;    // the mapped pages that hold it
  size_t pageBytes;
  bool free;
};
// The live block that holds [address, address + bytes), else null.
EXPORT const Block *blockOf(uintptr_t address, size_t bytes);
EXPORT std::string describe(uintptr_t address);
int allocate(int device, size_t bytes, uintptr_t *address);
int release(uintptr_t address, int device);
int pinned(size_t bytes, void **address);
EXPORT size_t usedBytes(int device);
EXPORT size_t totalBytes(int device);
void releaseAll(int device);
// A sentence if a byte beside a live block was written, else empty.
std::string overrun(int device);

// ---- devices (devices.cpp)
struct Stream;
struct Event;
struct Device {
  int ordinal;
  std::recursive_mutex lock;
  int retained = 0;
  int sticky = 0;
  std::set<Stream *> streams;
  std::set<int> peers;
};
struct Context { Device *device; };
// Entry into a call: the current context's device, locked. Status is not 0 when there is none, or an earlier fault sticks.
struct Entry {
  Device *device = nullptr;
  std::unique_lock<std::recursive_mutex> lock;
  int status;
  Entry();
};
EXPORT int currentDevice();  // -1 without a context
EXPORT int computeCapability();
Device *device(int ordinal);
int stick(Device *device, int status);

// ---- streams (streams.cpp)
// An operation that cannot go on yet, because another process is not so far, returns kNotReady and is run again.
struct Operation {
  std::string name;
  std::function<int()> run;
  bool prompt;
};
struct Capture;
struct Stream {
  Device *device;
  bool blocking;
  std::deque<std::shared_ptr<Operation>> pending;
  uint64_t enqueued = 0, done = 0;
  Capture *capture = nullptr;
  std::vector<int> tail;  // in a capture: the nodes that the next one depends on
};
// Puts an operation on a stream (a CUstream; null is the legacy stream): recorded if the stream captures. Operations wait until
// something asks for their result, so that a wait that is missing shows; those with `prompt` (other processes wait for them) are run
// soon by a thread of the emulator's own.
EXPORT int enqueue(void *stream, const char *name, std::function<int()> run, bool prompt = false);
EXPORT int synchronize(void *stream);
EXPORT bool isCapturing(void *stream);
Stream *streamOf(void *handle, int *status);
// Runs what is there up to an operation: advance() as far as that goes now (else kNotReady), drain() until it is done.
int advance(Stream *stream, uint64_t upTo = UINT64_MAX);
int drain(Stream *stream, uint64_t upTo = UINT64_MAX);
int drainAll(Device *device);

// ---- graphs (graphs.cpp)
int record(Stream *stream, std::shared_ptr<Operation> operation);
// A wait of `stream` for work captured as `tail`.
int join(Stream *stream, Capture *capture, const std::vector<int> &tail);
int invalidate(Stream *stream, int status);
// For calls that real capture refuses from this thread: 900, and the capture is invalid from then on.
int refuseInCapture();
// The active capture with that number, else null.
Capture *captureOf(uint64_t number);
uint64_t numberOf(Capture *capture);
bool blocksLegacyStream(Device *device);

// ---- blocks of threads (blocks.cpp)
struct Launch {
  const gatun::Kernel *kernel;
  const gatun::Runtime **runtime;
  gatun::Index3 grid, block;
  unsigned dynamicShared;
  void *staticShared;
  size_t staticSharedBytes;
};
void runGrid(const Launch &launch, void **arguments);
// After a fault: the story's "block (..), thread (..)" and a fresh state.
std::string whereInKernel();
void abandonGrid();
bool inKernel();
bool isBlockMemory(uintptr_t address);  // beside dynamic shared memory or a thread's stack

}  // namespace emulator
