// What a compiled kernel and the emulated driver know of each other. Plain data: included by the shim, which has no library
// headers, and by the driver.
#pragma once

namespace gatun {

struct Index3 {
  unsigned x, y, z;
};

// What a kernel sees of the thread that runs now; the driver rewrites it at each switch. Only one kernel runs at a time in a process.
struct Runtime {
  Index3 thread, block, blockSize, gridSize;
  unsigned lane;
  unsigned char *dynamicShared;
  void (*syncThreads)();
  unsigned (*countThreads)(bool predicate);  // a barrier that returns for how many threads of the block the predicate holds
  void (*syncWarp)(unsigned mask);
  unsigned (*ballot)(unsigned mask, bool predicate);
  // One value a lane in, the value of lane `source` out; a source that does not run gives poison.
  unsigned long long (*shuffle)(unsigned mask, unsigned long long value, unsigned source);
  void (*fail)(int status, const char *what, const char *file, unsigned line);  // does not return
  void (*print)(const char *format, ...);
};

struct Parameter {
  unsigned offset, size;
  bool pointer;
};

struct Kernel {
  const char *name;
  void (*run)(void **arguments);
  const Parameter *parameters;
  unsigned parameterCount;
  unsigned maxThreads;  // of __launch_bounds__, else 1024
};

// The one symbol a compiled module exports, as gatunModule.
struct Module {
  unsigned abi;
  unsigned architecture;  // 90 for sm_90
  const Runtime **runtime;
  const Kernel *kernels;
  unsigned kernelCount;
};

constexpr unsigned kAbi = 1;

// Bytes A5 7F: a NaN as bf16 and as f32, and as an integer a number far out of any range.
constexpr unsigned kPoison = 0x7FA57FA5u;

}  // namespace gatun
