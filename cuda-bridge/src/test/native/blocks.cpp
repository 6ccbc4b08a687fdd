// Runs a grid: the threads of a block are fibers that switch at barriers and shuffles only, in an order that a seed chooses.
// A thread that never waits costs no switch: the next one starts in the same fiber's loop.
#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator.h"
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {
namespace {

constexpr unsigned kMaxThreads = 1024, kWarps = 32;
constexpr size_t kStackBytes = 128 * 1024, kStackGuard = 4096;
constexpr int kOrders = 8;

enum class State : unsigned char { kNew, kReady, kBlockBarrier, kWarp, kDone };
enum class Meeting : unsigned char { kNone, kSyncWarp, kShuffle, kBallot };

#if defined(__x86_64__)
typedef void *Resume;
extern "C" void gatunSwitch(void **save, void *resume);
asm(R"(
.text
.globl gatunSwitch
.hidden gatunSwitch
.type gatunSwitch,@function
gatunSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gatunSwitch,.-gatunSwitch
)");
void switchTo(Resume *save, Resume *resume) { gatunSwitch(save, *resume); }
void prepare(Resume *resume, char *stack, size_t bytes, void (*main)()) {
  void **sp = reinterpret_cast<void **>(stack + bytes);
  *--sp = nullptr;  // as if main had been called: the stack is 16-byte aligned before the return address
  *--sp = reinterpret_cast<void *>(main);
  for (int i = 0; i < 6; i++) *--sp = nullptr;
  *resume = sp;
}
#else
typedef ucontext_t Resume;
void switchTo(Resume *save, Resume *resume) { swapcontext(save, resume); }
void prepare(Resume *resume, char *stack, size_t bytes, void (*main)()) {
  getcontext(resume);
  resume->uc_stack.ss_sp = stack;
  resume->uc_stack.ss_size = bytes;
  resume->uc_link = nullptr;
  makecontext(resume, main, 0);
}
#endif

struct Fiber {
  Resume resume;
  int stack;
};

struct Warp {
  unsigned size, arrived, generation;
  Meeting meeting;
  unsigned ballots[2];
  unsigned predicates;
  unsigned long long slots[2][32];
};

// The state of the one grid that runs now in this process; `running` guards it.
std::mutex running;
gatun::Runtime runtime;
const Launch *launch;
void **arguments;
unsigned threads, current, live, arrived, counted, countedBefore, warps;
unsigned long blockGeneration;
gatun::Index3 indices[kMaxThreads], indexedShape;
State states[kMaxThreads];
Fiber fibers[kMaxThreads];
Warp warpsOf[kWarps];
Resume host;
// Threads that can run, first in first out; each is in it at most once.
unsigned short queue[kMaxThreads];
unsigned head, queued;
unsigned short orders[kOrders][kMaxThreads];
unsigned ordersFor;
uint64_t ordersSeed, launches;
// Stacks, the last used first, so that they stay in the cache.
char *stacks;
int freeStacks[kMaxThreads], freeStackCount, madeStacks;
thread_local bool insideKernel;

void push(unsigned thread) {
  queue[(head + queued) & (kMaxThreads - 1)] = (unsigned short)thread;
  queued++;
}
unsigned pop() {
  unsigned thread = queue[head];
  head = (head + 1) & (kMaxThreads - 1);
  queued--;
  return thread;
}

void enter(unsigned thread) {
  current = thread;
  runtime.thread = indices[thread];
  runtime.lane = thread & 31;
}

// Stacks begin at differing places of their pages: at the same ones they would compete for the same few lines of the first cache.
char *stackOf(int stack) { return stacks + (size_t)stack * (kStackBytes + kStackGuard) + kStackGuard; }
size_t shiftOf(int stack) { return (size_t)stack * 320 % 4096; }

int takeStack() {
  if (freeStackCount > 0) return freeStacks[--freeStackCount];
  if (!stacks) {
    size_t bytes = (kStackBytes + kStackGuard) * kMaxThreads;
    void *p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) fail(kOutOfMemory, "no memory for the stacks of a block's threads");
    stacks = static_cast<char *>(p);
  }
  if (mprotect(stackOf(madeStacks), kStackBytes, PROT_READ | PROT_WRITE)) fail(kOutOfMemory, "no memory for a thread's stack");
  return madeStacks++;
}

const char *waiting(State state) {
  switch (state) {
    case State::kBlockBarrier: return "__syncthreads()";
    case State::kWarp: return "a warp's shuffle, vote or __syncwarp()";
    case State::kDone: return "left the kernel";
    default: return "can run";
  }
}

// No thread can run and some wait: a barrier that not all threads of the block (or of the warp) reach.
[[noreturn]] void deadlock() {
  unsigned at[5] = {}, example[5] = {};
  for (unsigned t = threads; t-- > 0;) at[(int)states[t]]++, example[(int)states[t]] = t;
  std::string story = "deadlock:";
  for (State s : {State::kBlockBarrier, State::kWarp, State::kDone}) {
    if (!at[(int)s]) continue;
    story += std::string(story.back() == ':' ? " " : ", ") + std::to_string(at[(int)s]) + " thread(s), such as "
        + std::to_string(example[(int)s]) + ", " + (s == State::kDone ? "" : "wait at ") + waiting(s);
  }
  fail(kLaunchFailed, story);
}

void fiberMain();

void begin(Fiber &fiber) {
  fiber.stack = takeStack();
  prepare(&fiber.resume, stackOf(fiber.stack), kStackBytes - shiftOf(fiber.stack), fiberMain);
}

// Leaves the current thread, whose state says why, for the next that can run.
void leave() {
  unsigned self = current;
  if (queued == 0) deadlock();
  unsigned next = pop();
  enter(next);
  if (states[next] == State::kNew) {
    begin(fibers[next]);
  }
  states[next] = State::kReady;
  switchTo(&fibers[self].resume, &fibers[next].resume);
}

void fiberMain() {
  for (;;) {
    launch->kernel->run(arguments);
    unsigned self = current;
    int stack = fibers[self].stack;
    states[self] = State::kDone;
    if (--live == 0) {
      freeStacks[freeStackCount++] = stack;
      switchTo(&fibers[self].resume, &host);
    }
    if (queued == 0) deadlock();
    unsigned next = pop();
    enter(next);
    if (states[next] == State::kNew) {
      states[next] = State::kReady;
      fibers[next].stack = stack;
      continue;
    }
    states[next] = State::kReady;
    freeStacks[freeStackCount++] = stack;  // nobody takes it before the switch
    switchTo(&fibers[self].resume, &fibers[next].resume);
  }
}

// All of them wait: a barrier is complete when every thread is there.
void wake(unsigned from, unsigned to) {
  // The others follow from a place that changes, so that no thread is always first.
  unsigned first = from + (unsigned)(mix(ordersSeed + blockGeneration * 31 + current) % (to - from));
  for (unsigned t = first; t < to; t++) if (t != current) push(t);
  for (unsigned t = from; t < first; t++) if (t != current) push(t);
}

void syncThreads() {
  if (++arrived == threads) {
    arrived = 0;
    countedBefore = counted;
    counted = 0;
    blockGeneration++;
    wake(0, threads);
    return;
  }
  states[current] = State::kBlockBarrier;
  leave();
}

unsigned countThreads(bool predicate) {
  counted += predicate;
  syncThreads();
  return countedBefore;
}

unsigned meet(unsigned mask, Meeting meeting) {
  Warp &warp = warpsOf[current >> 5];
  unsigned all = warp.size == 32 ? ~0u : (1u << warp.size) - 1;
  if ((mask & all) != all) fail(kLaunchFailed, "a warp operation with a mask that is not full: only full masks are emulated");
  if (warp.arrived == 0) warp.meeting = meeting;
  if (warp.meeting != meeting) fail(kLaunchFailed, "the lanes of a warp meet at different operations");
  unsigned parity = warp.generation & 1;
  if (++warp.arrived == warp.size) {
    warp.ballots[parity] = warp.predicates;
    warp.predicates = 0;
    warp.arrived = 0;
    warp.generation++;
    unsigned first = current & ~31u;
    wake(first, first + warp.size);
  } else {
    states[current] = State::kWarp;
    leave();
  }
  return parity;
}

void syncWarp(unsigned mask) { meet(mask, Meeting::kSyncWarp); }

unsigned ballot(unsigned mask, bool predicate) {
  Warp &warp = warpsOf[current >> 5];
  if (predicate) warp.predicates |= 1u << (current & 31);
  unsigned parity = meet(mask, Meeting::kBallot);
  return warp.ballots[parity];
}

unsigned long long shuffle(unsigned mask, unsigned long long value, unsigned source) {
  Warp &warp = warpsOf[current >> 5];
  warp.slots[warp.generation & 1][current & 31] = value;
  unsigned parity = meet(mask, Meeting::kShuffle);
  unsigned long long poison = (unsigned long long)gatun::kPoison << 32 | gatun::kPoison;
  return source < warp.size ? warp.slots[parity][source] : poison;
}

void failKernel(int status, const char *what, const char *file, unsigned line) {
  fail(status, file ? std::string(what) + " at " + file + ":" + std::to_string(line) : std::string(what));
}

void print(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vprintf(format, list);
  va_end(list);
  fflush(stdout);
}

void chooseOrders(unsigned n, uint64_t seed) {
  if (ordersFor == n && ordersSeed == seed) return;
  for (int k = 0; k < kOrders; k++) {
    for (unsigned t = 0; t < n; t++) orders[k][t] = (unsigned short)t;
    uint64_t random = mix(seed * kOrders + k + 1);
    // The first order of seed 0 is the natural one.
    for (unsigned t = n; (seed != 0 || k != 0) && t > 1; t--) {
      random = mix(random);
      std::swap(orders[k][t - 1], orders[k][random % t]);
    }
  }
  ordersFor = n;
  ordersSeed = seed;
}

void indexThreads(gatun::Index3 shape) {
  if (!memcmp(&indexedShape, &shape, sizeof shape)) return;
  unsigned t = 0;
  for (unsigned z = 0; z < shape.z; z++)
    for (unsigned y = 0; y < shape.y; y++)
      for (unsigned x = 0; x < shape.x; x++) indices[t++] = {x, y, z};
  indexedShape = shape;
}

void poison(void *memory, size_t bytes) {
  auto words = static_cast<unsigned *>(memory);
  for (size_t i = 0; i < bytes / 4; i++) words[i] = gatun::kPoison;
}

constexpr size_t kMostShared = 256 * 1024;
char *sharedArea;

// Dynamic shared memory ends at a guard page, but for what 16-byte alignment takes.
unsigned char *dynamicShared(size_t bytes) {
  if (!sharedArea) {
    void *p = mmap(nullptr, kMostShared + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(static_cast<char *>(p) + kMostShared, 4096, PROT_NONE)) fail(kOutOfMemory, "no shared memory");
    sharedArea = static_cast<char *>(p);
  }
  return reinterpret_cast<unsigned char *>(sharedArea + kMostShared - (bytes + 15) / 16 * 16);
}

void runBlock(gatun::Index3 index, uint64_t which) {
  runtime.block = index;
  if (launch->staticSharedBytes) poison(launch->staticShared, launch->staticSharedBytes);
  if (launch->dynamicShared) poison(runtime.dynamicShared, (launch->dynamicShared + 15) / 16 * 16);
  live = threads;
  arrived = counted = 0;
  for (unsigned w = 0; w < warps; w++) {
    warpsOf[w].size = std::min(32u, threads - w * 32);
    warpsOf[w].arrived = warpsOf[w].predicates = 0;
  }
  memset(states, 0, threads);
  head = 0;
  queued = threads;
  memcpy(queue, orders[mix(ordersSeed + which) % kOrders], threads * sizeof queue[0]);
  unsigned first = pop();
  enter(first);
  states[first] = State::kReady;
  begin(fibers[first]);
  switchTo(&host, &fibers[first].resume);
}

}  // namespace

void runGrid(const Launch &what, void **argumentValues) {
  std::unique_lock<std::mutex> lock(running);
  launch = &what;
  arguments = argumentValues;
  threads = what.block.x * what.block.y * what.block.z;
  warps = (threads + 31) / 32;
  uint64_t seed = (uint64_t)setting("SEED", 0);
  chooseOrders(threads, seed);
  indexThreads(what.block);
  runtime = gatun::Runtime{};
  runtime.blockSize = what.block;
  runtime.gridSize = what.grid;
  runtime.syncThreads = syncThreads;
  runtime.countThreads = countThreads;
  runtime.syncWarp = syncWarp;
  runtime.ballot = ballot;
  runtime.shuffle = shuffle;
  runtime.fail = failKernel;
  runtime.print = print;
  runtime.dynamicShared = dynamicShared(what.dynamicShared);
  *what.runtime = &runtime;
  insideKernel = true;
  uint64_t blocks = (uint64_t)what.grid.x * what.grid.y * what.grid.z;
  // Blocks run in an order of their own: from a place and by a stride that the seed chooses.
  uint64_t offset = seed ? mix(seed + ++launches) % blocks : 0, stride = seed ? mix(seed - launches) % blocks | 1 : 1;
  for (uint64_t a = stride, b = blocks; ; a = stride, b = blocks) {
    while (b) { uint64_t r = a % b; a = b; b = r; }
    if (a == 1) break;
    stride += 2;
  }
  for (uint64_t i = 0; i < blocks; i++) {
    uint64_t k = (uint64_t)(((unsigned __int128)i * stride + offset) % blocks);
    runBlock({(unsigned)(k % what.grid.x), (unsigned)(k / what.grid.x % what.grid.y), (unsigned)(k / what.grid.x / what.grid.y)}, k);
  }
  insideKernel = false;
}

bool inKernel() { return insideKernel; }

bool isBlockMemory(uintptr_t address) {
  auto within = [=](char *area, size_t bytes) { return area && address - (uintptr_t)area < bytes; };
  return within(stacks, (kStackBytes + kStackGuard) * kMaxThreads) || within(sharedArea, kMostShared + 4096);
}

std::string whereInKernel() {
  auto index = [](gatun::Index3 i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
  };
  return "kernel " + std::string(launch->kernel->name) + ", block " + index(runtime.block) + ", thread " + index(runtime.thread);
}

// The jump out of the grid skipped its end: the lock is still held by this thread.
void abandonGrid() {
  insideKernel = false;
  freeStackCount = 0;
  for (int s = 0; s < madeStacks; s++) freeStacks[freeStackCount++] = s;
  running.unlock();
}

}  // namespace emulator
