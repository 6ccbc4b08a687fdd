// "Device" memory: pages of the host far from the JVM's own. Fresh memory is poisoned; a freed address is never used again, so that a
// use after free faults; behind each block lies a guard page. CUDA's blocks begin at multiples of 256 bytes, and so do these: up to 255
// bytes between a block's end and its guard page hold a pattern that is checked when the block is freed and when a stream is waited for.
#include <sys/mman.h>

#include <cstring>

#include "emulator.h"

namespace emulator {
namespace {

constexpr size_t kPage = 4096, kAlignment = 256, kReserve = (size_t)4 << 40;
constexpr unsigned char kCanary = 0xC3;

std::recursive_mutex lock;
typedef std::map<uintptr_t, Block> Blocks;  // by the first page
Blocks &blocks = *new Blocks, &freed = *new Blocks;
std::deque<uintptr_t> &freedOrder = *new std::deque<uintptr_t>;  // the last ones are kept, to be told of
constexpr size_t kFreedKept = 10000;
size_t used[16];
uintptr_t next, end;

size_t roundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The CPU's memory is what bounds the emulated card's, unless a test asks for less.
int place(int device, size_t bytes, Block *made) {
  size_t body = roundUp(bytes ? bytes : 1, kAlignment), pageBytes = roundUp(body, kPage);
  if (next + pageBytes + kPage > end) {
    size_t reserve = std::max(kReserve, pageBytes + 2 * kPage);
    void *p = mmap(nullptr, reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return kOutOfMemory;
    next = (uintptr_t)p + kPage;
    end = (uintptr_t)p + reserve;
  }
  if (mprotect((void *)next, pageBytes, PROT_READ | PROT_WRITE)) return kOutOfMemory;
  *made = Block{next + pageBytes - body, bytes, device, next, pageBytes, false};
  next += pageBytes + kPage;
  size_t words = bytes / 4;
  for (size_t i = 0; i < words; i++) ((unsigned *)made->start)[i] = gatun::kPoison;
  unsigned last = gatun::kPoison;
  memcpy((char *)made->start + words * 4, &last, bytes % 4);
  memset((void *)made->pages, kCanary, made->start - made->pages);
  memset((void *)(made->start + bytes), kCanary, body - bytes);
  blocks[made->pages] = *made;
  return kSuccess;
}

Blocks::iterator nearest(Blocks &among, uintptr_t address) {
  auto it = among.upper_bound(address);
  return it == among.begin() ? among.end() : --it;
}

std::string spoiled(const Block &b) {
  auto differs = [](uintptr_t from, uintptr_t to) -> uintptr_t {
    for (uintptr_t p = from; p < to; p++) if (*(unsigned char *)p != kCanary) return p;
    return 0;
  };
  if (uintptr_t p = differs(b.start + b.bytes, b.pages + b.pageBytes)) return "something wrote at " + describe(p);
  if (uintptr_t p = differs(b.pages, b.start)) return "something wrote at " + describe(p);
  return "";
}

Blocks::iterator drop(Blocks::iterator it) {
  Block &b = it->second;
  mmap((void *)b.pages, b.pageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (b.device >= 0) used[b.device] -= roundUp(b.bytes, kAlignment);
  b.free = true;
  freed[b.pages] = b;
  freedOrder.push_back(b.pages);
  if (freedOrder.size() > kFreedKept) {
    freed.erase(freedOrder.front());
    freedOrder.pop_front();
  }
  return blocks.erase(it);
}

}  // namespace

size_t totalBytes(int) { return (size_t)setting("MEMORY", (int64_t)4 << 30); }
size_t usedBytes(int device) { return used[device]; }

int allocate(int device, size_t bytes, uintptr_t *address) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (bytes == 0) return kInvalidValue;
  if (bytes > totalBytes(device) || used[device] + roundUp(bytes, kAlignment) > totalBytes(device)) return kOutOfMemory;
  Block b;
  if (int status = place(device, bytes, &b)) return status;
  used[device] += roundUp(bytes, kAlignment);
  *address = b.start;
  return kSuccess;
}

int pinned(size_t bytes, void **address) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (bytes == 0) return kInvalidValue;
  Block b;
  if (int status = place(-1, bytes, &b)) return status;
  *address = (void *)b.start;
  return kSuccess;
}

int release(uintptr_t address, int device) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  auto it = nearest(blocks, address);
  if (it == blocks.end() || it->second.start != address || it->second.device != device) return kInvalidValue;
  std::string what = spoiled(it->second);
  drop(it);
  if (!what.empty()) return guarded("a block was freed", [&]() -> int { fail(kIllegalAddress, what); });
  return kSuccess;
}

void releaseAll(int device) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  for (auto it = blocks.begin(); it != blocks.end();) it = it->second.device == device ? drop(it) : std::next(it);
}

std::string overrun(int device) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  for (auto &entry : blocks) {
    Block &b = entry.second;
    if (b.device != device) continue;
    // Only behind the block: what lies before it in its page is looked at when it is freed.
    for (uintptr_t p = b.start + b.bytes; p < b.pages + b.pageBytes; p++)
      if (*(unsigned char *)p != kCanary) {
        std::string what = "something wrote at " + describe(p);
        memset((void *)p, kCanary, b.pages + b.pageBytes - p);
        return what;
      }
  }
  return "";
}

const Block *blockOf(uintptr_t address, size_t bytes) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  auto it = nearest(blocks, address);
  if (it == blocks.end()) return nullptr;
  const Block &b = it->second;
  return address >= b.start && bytes <= b.bytes && address - b.start <= b.bytes - bytes ? &b : nullptr;
}

std::string describe(uintptr_t address) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  auto it = nearest(blocks, address), old = nearest(freed, address);
  bool fromFreed = old != freed.end() && (it == blocks.end() || old->first > it->first);
  if (fromFreed ? false : it == blocks.end()) return "which is no device memory";
  const Block &b = fromFreed ? old->second : it->second;
  if (address >= b.pages + b.pageBytes + (1 << 20)) return "which is no device memory";
  std::string where = address < b.start ? std::to_string(b.start - address) + " bytes before"
      : address < b.start + b.bytes ? "byte " + std::to_string(address - b.start) + " of"
                                    : std::to_string(address - b.start - b.bytes) + " bytes past the end of";
  return where + (b.free ? " a freed" : " a") + (b.device < 0 ? " pinned" : "") + " block of " + std::to_string(b.bytes) + " bytes";
}

}  // namespace emulator
