// libnccl.so.2 of the emulator: ranks are processes (or threads with devices of their own) of one machine, which meet in shared memory named
// by the unique id. Results are reduced in the order of the ranks, in f32, and are the same on all. As with the real library a collective
// whose peer is gone does not end: the asynchronous error says so, and ncclCommAbort ends it.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "emulator.h"
#include "numbers.h"

using namespace emulator;

namespace {

enum Result { kOk, kCuda, kSystem, kInternal, kInvalidArgument, kInvalidUsage, kRemote, kInProgress, kTimeout };
enum NumberType { kInt8, kUint8, kInt32, kUint32, kInt64, kUint64, kF16, kF32, kF64, kBf16, kTypes };
enum Op { kSum, kProduct, kMax, kMin, kAverage, kOps };
enum MemberState { kComing, kHere, kLeft, kAborted };
constexpr int kMostRanks = 16;
constexpr size_t kSlot = 1 << 20;
constexpr uint64_t kMagic = 0x4741545554414E43u;

struct Id { char bytes[128]; };

// What each rank says of the collective it is in: real ranks that disagree hang, or mix up their memory.
struct Said {
  int kind, type, op, root;
  uint64_t count;
  bool operator==(const Said &o) const { return kind == o.kind && type == o.type && op == o.op && root == o.root && count == o.count; }
};
struct Member {
  std::atomic<int> pid, state;
  std::atomic<uint64_t> step, hostStep;
  int device, color, key;
  Said said;
};
struct Shared {
  uint64_t magic;
  int ranks, creator;
  Member members[kMostRanks];
  char slots[][kSlot];
};

struct Comm {
  Shared *shared = nullptr;
  std::string name;
  int ranks = 0, rank = 0, splits = 0, device = -1;
  uint64_t step = 0, hostStep = 0;
  std::atomic<int> asyncError{0};
  std::atomic<bool> aborted{false}, finalized{false};
  std::set<void *> streams;
  ~Comm() { if (shared) munmap(shared, sizeof(Shared) + (size_t)ranks * kSlot); }
};

std::mutex commsLock;
std::map<Comm *, std::shared_ptr<Comm>> &comms = *new std::map<Comm *, std::shared_ptr<Comm>>;
std::mutex errorLock;
std::string &lastError = *new std::string;
thread_local int groupDepth;
thread_local std::vector<std::function<int()>> *grouped;

int refuse(int status, const std::string &why) {
  std::lock_guard<std::mutex> hold(errorLock);
  lastError = why;
  return status;
}
std::shared_ptr<Comm> commOf(Comm *c) {
  std::lock_guard<std::mutex> hold(commsLock);
  auto it = comms.find(c);
  return it == comms.end() ? nullptr : it->second;
}
double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
double patience() { return (double)setting("NCCL_TIMEOUT", 120); }

bool isAlive(int pid) {
  if (kill(pid, 0) && errno == ESRCH) return false;
  char path[64], state = 'R';
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  if (FILE *f = fopen(path, "r")) {
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 'R';
    fclose(f);
  }
  return state != 'Z' && state != 'X';
}

// The rank that will never come, or -1.
int missing(const Comm &c) {
  for (int r = 0; r < c.ranks; r++) {
    const Member &m = c.shared->members[r];
    if (r != c.rank && m.state != kComing && (m.state == kAborted || m.state == kLeft || !isAlive(m.pid))) return r;
  }
  return -1;
}
std::string goneRank(const Comm &c, int r) {
  const Member &m = c.shared->members[r];
  return "rank " + std::to_string(r) + " of " + std::to_string(c.ranks) + (m.state == kAborted ? " aborted" : m.state == kLeft ? " has left" : " (process " + std::to_string(m.pid) + ") is gone");
}

// ---- meeting

Shared *mapFile(int fd, int ranks) {
  void *p = mmap(nullptr, sizeof(Shared) + (size_t)ranks * kSlot, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return p == MAP_FAILED ? nullptr : static_cast<Shared *>(p);
}

// Rank 0 makes the file and puts it in its place at once; what an earlier run left there is replaced.
bool create(Comm *c, const std::string &path) {
  std::string draft = path + "." + std::to_string(getpid());
  int fd = open(draft.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ftruncate(fd, (off_t)(sizeof(Shared) + (size_t)c->ranks * kSlot))) return false;
  c->shared = mapFile(fd, c->ranks);
  close(fd);
  if (!c->shared) return false;
  c->shared->magic = kMagic;
  c->shared->ranks = c->ranks;
  c->shared->creator = getpid();
  return rename(draft.c_str(), path.c_str()) == 0;
}

enum class Joined { kYes, kNotYet, kWrongCount };

Joined tryJoin(Comm *c, const std::string &path, ino_t *inode) {
  int fd = open(path.c_str(), O_RDWR);
  if (fd < 0) return Joined::kNotYet;
  struct stat status;
  Shared header;
  bool read = fstat(fd, &status) == 0 && pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header;
  bool live = read && header.magic == kMagic && isAlive(header.creator);
  if (live && header.ranks != c->ranks) return close(fd), Joined::kWrongCount;
  if (live) c->shared = mapFile(fd, c->ranks);
  close(fd);
  if (!c->shared) return Joined::kNotYet;
  int nobody = 0;
  if (c->shared->members[c->rank].pid.compare_exchange_strong(nobody, getpid())) return *inode = status.st_ino, Joined::kYes;
  munmap(c->shared, sizeof(Shared) + (size_t)c->ranks * kSlot);
  c->shared = nullptr;
  return Joined::kNotYet;
}

bool replaced(const std::string &path, ino_t inode) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && status.st_ino != inode;
}

int meet(const std::shared_ptr<Comm> &c) {
  std::string path = "/dev/shm" + c->name;
  double until = seconds() + patience();
  ino_t inode = 0;
  if (c->rank == 0) {
    if (!create(c.get(), path)) return refuse(kSystem, "cannot make " + path);
    c->shared->members[0].pid = getpid();
  }
  for (bool all = false; !all;) {
    if (!c->shared) {
      Joined joined = tryJoin(c.get(), path, &inode);
      if (joined == Joined::kWrongCount) return refuse(kInvalidArgument, "the ranks disagree on how many they are: this one says " + std::to_string(c->ranks));
    }
    if (c->shared) {
      Member &me = c->shared->members[c->rank];
      me.device = c->device;
      me.state = kHere;
      all = true;
      for (int r = 0; r < c->ranks; r++) all &= c->shared->members[r].state != kComing;
      int gone = missing(*c);
      if (gone >= 0 && c->shared->members[gone].state == kHere) return refuse(kRemote, "while the communicator was made, " + goneRank(*c, gone));
      if (!all && c->rank != 0 && replaced(path, inode)) {
        munmap(c->shared, sizeof(Shared) + (size_t)c->ranks * kSlot);  // it was an earlier run's
        c->shared = nullptr;
      }
    }
    if (!all && seconds() > until) {
      if (c->rank == 0) unlink(path.c_str());
      return refuse(kSystem, "rank " + std::to_string(c->rank) + " waited " + std::to_string((int)patience()) + " s for the others at " + c->name);
    }
    if (!all) std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  if (c->rank == 0) unlink(path.c_str());
  for (int r = 0; r < c->ranks; r++) {
    for (int q = 0; q < r; q++) {
      const Member &a = c->shared->members[r], &b = c->shared->members[q];
      if (a.pid == b.pid && a.device == b.device) return refuse(kInvalidUsage, "Duplicate GPU detected : rank " + std::to_string(r) + " and rank " + std::to_string(q));
    }
  }
  return kOk;
}

// A barrier that the calling thread waits in.
int hostBarrier(const std::shared_ptr<Comm> &c) {
  c->shared->members[c->rank].hostStep = ++c->hostStep;
  for (double until = seconds() + patience();;) {
    bool all = true;
    for (int r = 0; r < c->ranks; r++) all &= c->shared->members[r].hostStep >= c->hostStep;
    if (all) return kOk;
    int gone = missing(*c);
    if (gone >= 0 && c->shared->members[gone].hostStep < c->hostStep) return refuse(kRemote, goneRank(*c, gone));
    if (seconds() > until) return refuse(kTimeout, "the other ranks did not come");
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

// ---- reductions

size_t sizeOf(int type) {
  constexpr size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return sizes[type];
}

template <class T> T combine(int op, T a, T b) {
  switch (op) {
    case kProduct: return (T)(a * b);
    case kMax: return b > a ? b : a;
    case kMin: return b < a ? b : a;
    default: return (T)(a + b);
  }
}
template <class T, class Load, class Store> void reduceAs(const Comm &c, size_t from, size_t count, int op, Load load, Store store) {
  for (size_t i = 0; i < count; i++) {
    T sum = load(c.shared->slots[0], from + i);
    for (int r = 1; r < c.ranks; r++) sum = combine<T>(op, sum, load(c.shared->slots[r], from + i));
    store(i, op == kAverage ? (T)(sum / (T)c.ranks) : sum);
  }
}
template <class T> void reducePlain(const Comm &c, size_t from, size_t count, int op, void *to) {
  reduceAs<T>(c, from, count, op, [](const char *p, size_t i) { return ((const T *)p)[i]; }, [=](size_t i, T v) { ((T *)to)[i] = v; });
}
void reduce(const Comm &c, size_t from, size_t count, int type, int op, void *to) {
  switch (type) {
    case kInt8: return reducePlain<int8_t>(c, from, count, op, to);
    case kUint8: return reducePlain<uint8_t>(c, from, count, op, to);
    case kInt32: return reducePlain<int32_t>(c, from, count, op, to);
    case kUint32: return reducePlain<uint32_t>(c, from, count, op, to);
    case kInt64: return reducePlain<int64_t>(c, from, count, op, to);
    case kUint64: return reducePlain<uint64_t>(c, from, count, op, to);
    case kF32: return reducePlain<float>(c, from, count, op, to);
    case kF64: return reducePlain<double>(c, from, count, op, to);
    case kF16:
      return reduceAs<float>(c, from, count, op, [](const char *p, size_t i) { return fromHalf(((const uint16_t *)p)[i]); },
                             [=](size_t i, float v) { ((uint16_t *)to)[i] = toHalf(v); });
    default:
      return reduceAs<float>(c, from, count, op, [](const char *p, size_t i) { return fromBf16(((const uint16_t *)p)[i]); },
                             [=](size_t i, float v) { ((uint16_t *)to)[i] = toBf16(v); });
  }
}

// ---- collectives

enum Kind { kAllReduce, kReduceScatter, kAllGather, kBroadcast };
const char *const kNames[] = {"ncclAllReduce", "ncclReduceScatter", "ncclAllGather", "ncclBroadcast"};

// A collective on a stream, run in pieces that fit the slots; between pieces it may have to be run again later.
struct Collective {
  std::shared_ptr<Comm> comm;
  Said said;
  const char *send;
  char *receive;
  size_t piece = 0;
  int phase = 0;
  double waitsSince = 0;

  size_t size() const { return sizeOf(said.type); }
  size_t perPiece() const { return said.kind == kReduceScatter ? kSlot / size() / (size_t)comm->ranks : kSlot / size(); }
  size_t from() const { return piece * perPiece(); }
  size_t length() const { return std::min(perPiece(), (size_t)said.count - from()); }

  void checkMemory() const {
    size_t in = said.count * size() * (said.kind == kReduceScatter ? (size_t)comm->ranks : 1);
    size_t out = said.count * size() * (said.kind == kAllGather ? (size_t)comm->ranks : 1);
    bool sends = said.kind != kBroadcast || comm->rank == said.root;
    if (sends && !blockOf((uintptr_t)send, in)) fail(kIllegalAddress, "what is sent leaves device memory: its last byte is " + describe((uintptr_t)send + in - 1));
    if (!blockOf((uintptr_t)receive, out)) fail(kIllegalAddress, "what is received leaves device memory: its last byte is " + describe((uintptr_t)receive + out - 1));
  }

  void copyIn() const {
    char *slot = comm->shared->slots[comm->rank];
    if (said.kind == kReduceScatter) {
      for (int r = 0; r < comm->ranks; r++) memcpy(slot + (size_t)r * length() * size(), send + ((size_t)r * said.count + from()) * size(), length() * size());
    } else if (said.kind != kBroadcast || comm->rank == said.root) {
      memcpy(slot, send + from() * size(), length() * size());
    }
  }

  void copyOut() const {
    char *to = receive + from() * size();
    switch (said.kind) {
      case kAllReduce: return reduce(*comm, 0, length(), said.type, said.op, to);
      case kReduceScatter: return reduce(*comm, (size_t)comm->rank * length(), length(), said.type, said.op, to);
      case kAllGather:
        for (int r = 0; r < comm->ranks; r++) memcpy(receive + ((size_t)r * said.count + from()) * size(), comm->shared->slots[r], length() * size());
        return;
      default: memcpy(to, comm->shared->slots[said.root], length() * size());
    }
  }

  int broken(int status, const std::string &why) {
    if (!comm->asyncError) {
      comm->asyncError = status;
      refuse(status, std::string(kNames[said.kind]) + ": " + why);
    }
    if (seconds() - waitsSince > patience()) fail(kLaunchFailed, "a collective waited for " + std::to_string((int)patience()) + " s: " + why);
    return kNotReady;
  }

  // Whether all ranks are as far as this one.
  bool together() const {
    for (int r = 0; r < comm->ranks; r++) if (comm->shared->members[r].step < comm->step) return false;
    return true;
  }
  void arrive() {
    comm->shared->members[comm->rank].step = ++comm->step;
    phase++;
  }

  int run() {
    if (waitsSince == 0) waitsSince = seconds();
    for (;;) {
      if (comm->aborted) return finish();
      if (phase == 0) {
        checkMemory();
        copyIn();
        comm->shared->members[comm->rank].said = said;
        arrive();
      }
      if (!together()) {
        int gone = missing(*comm);
        if (gone >= 0 && comm->shared->members[gone].step < comm->step) return broken(kRemote, goneRank(*comm, gone));
        if (seconds() - waitsSince > patience()) return broken(kTimeout, "the other ranks did not come");
        return kNotReady;
      }
      if (phase == 1) {
        for (int r = 0; r < comm->ranks; r++) {
          if (!(comm->shared->members[r].said == said)) return broken(kInvalidUsage, "rank " + std::to_string(r) + " calls another collective, or with another count, type, operation or root");
        }
        copyOut();
        arrive();
        continue;
      }
      phase = 0;
      piece++;
      if (from() >= said.count) return finish();
    }
  }
  int finish() {
    piece = 0;
    phase = 0;
    waitsSince = 0;
    return kSuccess;
  }
};

int collective(Kind kind, const void *send, void *receive, size_t count, int type, int op, int root, Comm *handle, void *stream) {
  std::string name = std::string(kNames[kind] + 4) + " : ";
  if (!handle) return refuse(kInvalidArgument, name + "comm argument is NULL");
  auto comm = commOf(handle);
  if (!comm) return refuse(kInvalidArgument, name + "comm argument is no communicator");
  if (type < 0 || type >= kTypes) return refuse(kInvalidArgument, name + "invalid type " + std::to_string(type));
  if (op < 0 || op >= kOps) return refuse(kInvalidArgument, name + "invalid operation " + std::to_string(op));
  if (root < 0 || root >= comm->ranks) return refuse(kInvalidArgument, name + "invalid root " + std::to_string(root));
  if (comm->finalized) return refuse(kInvalidUsage, name + "the communicator is finalized");
  if (comm->asyncError) return comm->asyncError;
  if (currentDevice() != comm->device) return refuse(kInvalidUsage, name + "the communicator belongs to device " + std::to_string(comm->device));
  if (count == 0) return kOk;
  if (!receive || (!send && (kind != kBroadcast || comm->rank == root))) return refuse(kInvalidArgument, name + "a buffer is NULL");
  comm->streams.insert(stream);
  auto c = std::make_shared<Collective>(Collective{comm, Said{kind, type, op, root, count}, (const char *)send, (char *)receive});
  auto start = [=] {
    int status = enqueue(stream, kNames[kind], [c] { return c->run(); }, true);
    return status ? refuse(kCuda, name + "the driver refused with " + std::to_string(status)) : (int)kOk;
  };
  if (groupDepth == 0) return start();
  if (!grouped) grouped = new std::vector<std::function<int()>>;
  grouped->push_back(start);
  return kOk;
}

int begin(const std::shared_ptr<Comm> &comm, Comm **out) {
  if (int status = meet(comm)) return status;
  std::lock_guard<std::mutex> hold(commsLock);
  comms[comm.get()] = comm;
  *out = comm.get();
  return kOk;
}

int end(Comm *handle, int state) {
  auto comm = commOf(handle);
  if (!comm) return refuse(kInvalidArgument, "comm argument is no communicator");
  comm->shared->members[comm->rank].state = state;
  std::lock_guard<std::mutex> hold(commsLock);
  comms.erase(handle);
  return kOk;
}

}  // namespace

API int ncclGetVersion(int *version) {
  if (!version) return kInvalidArgument;
  *version = 23007;
  return kOk;
}
API const char *ncclGetErrorString(int result) {
  static const char *const texts[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error", "invalid argument",
      "invalid usage", "remote process exited or there was a network error", "NCCL operation in progress", "operation timed out"};
  return result >= 0 && result <= kTimeout ? texts[result] : "unknown result code";
}
API const char *ncclGetLastError(Comm *) {
  static thread_local std::string told;
  std::lock_guard<std::mutex> hold(errorLock);
  told = lastError;
  return told.c_str();
}
// With NCCL_COMM_ID=host:port the id is the same in every process.
API int ncclGetUniqueId(Id *id) {
  if (!id) return kInvalidArgument;
  memset(id, 0, sizeof *id);
  const char *agreed = getenv("NCCL_COMM_ID");
  static std::atomic<int> count;
  if (agreed && *agreed) snprintf(id->bytes, sizeof id->bytes, "agreed-%s", agreed);
  else snprintf(id->bytes, sizeof id->bytes, "own-%d-%d-%ld", getpid(), count++, (long)(seconds() * 1e6));
  return kOk;
}
API int ncclCommInitRankConfig(Comm **out, int ranks, Id id, int rank, void *) {
  if (!out || ranks < 1 || ranks > kMostRanks || rank < 0 || rank >= ranks) {
    return refuse(kInvalidArgument, "Invalid rank requested : " + std::to_string(rank) + "/" + std::to_string(ranks));
  }
  if (groupDepth) return refuse(kInvalidUsage, "communicators made in a group are not emulated");
  if (currentDevice() < 0) return refuse(kCuda, "there is no current CUDA context");
  auto comm = std::make_shared<Comm>();
  std::string name(id.bytes, strnlen(id.bytes, sizeof id.bytes));
  for (char &c : name) if (!isalnum((unsigned char)c) && c != '-' && c != '.') c = '_';
  comm->name = "/gatun-nccl-" + std::to_string(getuid()) + "-" + name;
  comm->ranks = ranks;
  comm->rank = rank;
  comm->device = currentDevice();
  return begin(comm, out);
}
API int ncclCommInitRank(Comm **out, int ranks, Id id, int rank) { return ncclCommInitRankConfig(out, ranks, id, rank, nullptr); }
API int ncclCommSplit(Comm *handle, int color, int key, Comm **out, void *) {
  auto parent = commOf(handle);
  if (!parent || !out) return refuse(kInvalidArgument, "comm argument is no communicator");
  if (color < -1) return refuse(kInvalidArgument, "a color must not be negative: " + std::to_string(color));
  Member *members = parent->shared->members;
  members[parent->rank].color = color;
  members[parent->rank].key = key;
  if (int status = hostBarrier(parent)) return status;
  std::vector<std::pair<int, int>> same;
  for (int r = 0; r < parent->ranks; r++) if (members[r].color == color) same.emplace_back(members[r].key, r);
  std::sort(same.begin(), same.end());
  if (int status = hostBarrier(parent)) return status;
  parent->splits++;
  *out = nullptr;
  if (color == -1) return kOk;
  auto comm = std::make_shared<Comm>();
  comm->name = parent->name + "-" + std::to_string(members[0].pid) + "-split" + std::to_string(parent->splits) + "-" + std::to_string(color);
  comm->ranks = (int)same.size();
  for (size_t i = 0; i < same.size(); i++) if (same[i].second == parent->rank) comm->rank = (int)i;
  comm->device = parent->device;
  return begin(comm, out);
}
API int ncclCommCount(Comm *c, int *count) {
  auto comm = commOf(c);
  return comm && count ? (*count = comm->ranks, kOk) : refuse(kInvalidArgument, "comm argument is no communicator");
}
API int ncclCommUserRank(Comm *c, int *rank) {
  auto comm = commOf(c);
  return comm && rank ? (*rank = comm->rank, kOk) : refuse(kInvalidArgument, "comm argument is no communicator");
}
API int ncclCommCuDevice(Comm *c, int *device) {
  auto comm = commOf(c);
  return comm && device ? (*device = comm->device, kOk) : refuse(kInvalidArgument, "comm argument is no communicator");
}
API int ncclCommGetAsyncError(Comm *c, int *error) {
  auto comm = commOf(c);
  if (!comm || !error) return refuse(kInvalidArgument, "comm argument is no communicator");
  if (!comm->asyncError) {
    int gone = missing(*comm);
    if (gone >= 0 && comm->shared->members[gone].state != kLeft) {
      comm->asyncError = kRemote;
      refuse(kRemote, goneRank(*comm, gone));
    }
  }
  *error = comm->asyncError;
  return kOk;
}
API int ncclCommFinalize(Comm *c) {
  auto comm = commOf(c);
  if (!comm) return refuse(kInvalidArgument, "comm argument is no communicator");
  for (void *stream : comm->streams) synchronize(stream);
  comm->finalized = true;
  return comm->asyncError;
}
API int ncclCommDestroy(Comm *c) {
  auto comm = commOf(c);
  if (!comm) return refuse(kInvalidArgument, "comm argument is no communicator");
  if (!comm->finalized) for (void *stream : comm->streams) synchronize(stream);
  return end(c, kLeft);
}
API int ncclCommAbort(Comm *c) {
  auto comm = commOf(c);
  if (!comm) return refuse(kInvalidArgument, "comm argument is no communicator");
  comm->aborted = true;
  return end(c, kAborted);
}
API int ncclGroupStart() { return groupDepth++, kOk; }
API int ncclGroupEnd() {
  if (groupDepth == 0) return refuse(kInvalidUsage, "ncclGroupEnd: not in a group call.");
  if (--groupDepth || !grouped) return kOk;
  auto calls = std::move(*grouped);
  grouped->clear();
  for (auto &call : calls) if (int status = call()) return status;
  return kOk;
}
API int ncclAllReduce(const void *send, void *receive, size_t count, int type, int op, Comm *comm, void *stream) {
  return collective(kAllReduce, send, receive, count, type, op, 0, comm, stream);
}
API int ncclReduceScatter(const void *send, void *receive, size_t count, int type, int op, Comm *comm, void *stream) {
  return collective(kReduceScatter, send, receive, count, type, op, 0, comm, stream);
}
API int ncclAllGather(const void *send, void *receive, size_t count, int type, Comm *comm, void *stream) {
  return collective(kAllGather, send, receive, count, type, kSum, 0, comm, stream);
}
API int ncclBroadcast(const void *send, void *receive, size_t count, int type, int root, Comm *comm, void *stream) {
  return collective(kBroadcast, send, receive, count, type, kSum, root, comm, stream);
}
