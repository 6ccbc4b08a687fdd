// A fault of the processor in emulated device code becomes a CUDA error. The handler stands in front of the JVM's own and hands on
// every fault that is not in code run by guarded().
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator.h"

namespace emulator {
namespace {

struct Recovery {
  sigjmp_buf jump;
  int status;
  int signal;
  uintptr_t address;
};

// Read in a signal handler, on threads that never ran emulated code: the model that needs no allocation at first use.
__attribute__((tls_model("initial-exec"))) thread_local Recovery *recovery;
thread_local std::string message;
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
struct sigaction before[65];
std::mutex storyLock;
std::string &story = *new std::string;

void onSignal(int signal, siginfo_t *info, void *context) {
  Recovery *r = recovery;
  if (r) {
    r->signal = signal;
    r->address = (uintptr_t)info->si_addr;
    siglongjmp(r->jump, 1);
  }
  struct sigaction &old = before[signal];
  if (old.sa_flags & SA_SIGINFO) {
    old.sa_sigaction(signal, info, context);
  } else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) {
    old.sa_handler(signal);
  } else {
    sigaction(signal, &old, nullptr);  // the fault happens again, and ends the process
  }
}

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    for (int signal : kSignals) {
      sigaction(signal, nullptr, &before[signal]);
      struct sigaction ours = before[signal];
      ours.sa_sigaction = onSignal;
      ours.sa_flags = (ours.sa_flags | SA_SIGINFO | SA_ONSTACK) & ~SA_RESETHAND;
      sigaction(signal, &ours, nullptr);
    }
  });
}

// The handler needs a stack when a fiber has run out of its own.
struct SignalStack {
  stack_t before;
  SignalStack() {
    static thread_local char *memory = static_cast<char *>(malloc(64 * 1024));
    stack_t ours{};
    ours.ss_sp = memory;
    ours.ss_size = 64 * 1024;
    sigaltstack(&ours, &before);
  }
  ~SignalStack() { sigaltstack(&before, nullptr); }
};

std::string tell(const Recovery &r) {
  switch (r.signal) {
    case 0: return message;
    case SIGFPE: return "an integer division by zero";
    case SIGILL: return "an illegal instruction";
    default: {
      char address[32];
      snprintf(address, sizeof address, "0x%lx", (unsigned long)r.address);
      return std::string("an access at ") + address + ", " + (isBlockMemory(r.address) ? "past the block's dynamic shared memory or a thread's stack" : describe(r.address));
    }
  }
}

}  // namespace

int guarded(const std::string &what, const std::function<int()> &work) {
  install();
  Recovery here{};
  Recovery *outer = recovery;
  SignalStack stack;
  if (sigsetjmp(here.jump, 1) == 0) {
    recovery = &here;
    int status = work();
    recovery = outer;
    return status;
  }
  recovery = outer;
  int status = here.signal == 0 ? here.status : here.signal == SIGFPE ? kLaunchFailed
      : here.signal == SIGILL ? kIllegalInstruction : kIllegalAddress;
  std::string told = (inKernel() ? whereInKernel() : what) + ": " + tell(here);
  if (inKernel()) abandonGrid();
  std::lock_guard<std::mutex> lock(storyLock);
  story = told;
  return status;
}

void fail(int status, const std::string &text) {
  if (!recovery) {
    fprintf(stderr, "CUDA emulator: %s\n", text.c_str());
    abort();
  }
  message = text;
  recovery->status = status;
  recovery->signal = 0;
  siglongjmp(recovery->jump, 1);
}

std::string lastFault() {
  std::lock_guard<std::mutex> lock(storyLock);
  return story;
}

bool isSticky(int status) { return status == kIllegalAddress || (status >= kAssert && status <= kLaunchFailed); }

}  // namespace emulator
