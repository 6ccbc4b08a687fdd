// Streams and events. An operation waits on its stream until a call asks for what it makes: a program that forgets to wait reads poison.
#include <chrono>
#include <thread>

#include "emulator.h"

namespace emulator {
namespace {

// What cuEventRecord leaves on a stream.
struct Mark {
  Stream *stream;
  uint64_t ticket;
  bool done = false;
  double milliseconds = 0;
};

}  // namespace

struct Event {
  Device *device;
  bool timed;
  std::shared_ptr<Mark> mark;
  uint64_t capture = 0;
  std::vector<int> tail;
};

namespace {

constexpr size_t kMostPending = 1000;
std::mutex eventsLock;
std::set<Event *> &events = *new std::set<Event *>;
uint64_t choices;

double milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool isLive(Event *event) {
  std::lock_guard<std::mutex> hold(eventsLock);
  return events.count(event) > 0;
}

int runOne(Stream *stream) {
  std::shared_ptr<Operation> operation = stream->pending.front();
  stream->pending.pop_front();
  int status = guarded(operation->name, operation->run);
  if (status == kNotReady) {
    stream->pending.push_front(operation);
    return status;
  }
  stream->done++;
  Device *device = stream->device;
  stick(device, status);
  if (device->sticky) {
    for (Stream *s : device->streams) {
      s->done += s->pending.size();
      s->pending.clear();
    }
  }
  return status;
}

// Runs what other processes wait for, should this one not ask for it.
struct Progress {
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::pair<Stream *, Device *>> asked;
  Progress() { std::thread([this] { loop(); }).detach(); }
  void ask(Stream *stream) {
    std::lock_guard<std::mutex> hold(lock);
    asked.emplace_back(stream, stream->device);
    changed.notify_one();
  }
  void loop() {
    for (;;) {
      std::pair<Stream *, Device *> next;
      {
        std::unique_lock<std::mutex> hold(lock);
        changed.wait(hold, [this] { return !asked.empty(); });
        next = asked.front();
        asked.pop_front();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      std::unique_lock<std::recursive_mutex> hold(next.second->lock);
      if (next.second->streams.count(next.first) && advance(next.first) == kNotReady) ask(next.first);
    }
  }
};

int check(Device *device) {
  if (device->sticky) return device->sticky;
  std::string what = overrun(device->ordinal);
  if (what.empty()) return kSuccess;
  return stick(device, guarded("a stream was waited for", [&]() -> int { fail(kIllegalAddress, what); }));
}

}  // namespace

Stream *streamOf(void *handle, int *status) {
  Device *dev = device(currentDevice());
  static std::map<int, Stream *> &legacy = *new std::map<int, Stream *>;
  if ((uintptr_t)handle <= 2) {
    Stream *&stream = legacy[dev->ordinal];
    if (!stream) stream = new Stream{dev, true};
    return stream;
  }
  auto stream = static_cast<Stream *>(handle);
  if (dev->streams.count(stream)) return stream;
  *status = kInvalidHandle;
  return nullptr;
}

int advance(Stream *stream, uint64_t upTo) {
  while (!stream->pending.empty() && stream->done < upTo) if (int status = runOne(stream)) return status;
  return stream->device->sticky;
}

int drain(Stream *stream, uint64_t upTo) {
  int status;
  while ((status = advance(stream, upTo)) == kNotReady) std::this_thread::sleep_for(std::chrono::microseconds(100));
  return status;
}

int drainAll(Device *device) {
  for (Stream *stream : std::vector<Stream *>(device->streams.begin(), device->streams.end())) {
    if (!stream->capture) drain(stream);
  }
  return check(device);
}

int enqueue(void *handle, const char *name, std::function<int()> run, bool prompt) {
  Entry entry;
  if (entry.status) return entry.status;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  auto operation = std::make_shared<Operation>(Operation{name, std::move(run), prompt});
  if (stream->capture) return record(stream, operation);
  if ((uintptr_t)handle <= 2) {
    if (blocksLegacyStream(entry.device)) return kCaptureImplicit;
    for (Stream *s : std::vector<Stream *>(entry.device->streams.begin(), entry.device->streams.end())) {
      if (s->blocking) drain(s);
    }
    if (entry.device->sticky) return entry.device->sticky;
    while ((status = guarded(operation->name, operation->run)) == kNotReady) std::this_thread::sleep_for(std::chrono::microseconds(100));
    return stick(entry.device, status);
  }
  stream->pending.push_back(operation);
  stream->enqueued++;
  // A seed makes some work be done early: what must not be overwritten yet shows then.
  uint64_t seed = (uint64_t)setting("SEED", 0);
  bool early = setting("EAGER", 0) || (seed != 0 && mix(seed + ++choices) % 4 == 0);
  if (early || stream->pending.size() > kMostPending) return drain(stream);
  if (prompt) {
    static Progress &progress = *new Progress;
    progress.ask(stream);
  }
  return kSuccess;
}

int synchronize(void *handle) {
  Entry entry;
  if (entry.status) return entry.status;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  if (stream->capture) return invalidate(stream, kCaptureUnsupported);
  if ((uintptr_t)handle > 2) {
    status = drain(stream);
    return status ? status : check(entry.device);
  }
  if (blocksLegacyStream(entry.device)) return kCaptureImplicit;
  for (Stream *s : std::vector<Stream *>(entry.device->streams.begin(), entry.device->streams.end())) {
    if (s->blocking) drain(s);
  }
  return check(entry.device);
}

bool isCapturing(void *handle) {
  if (currentDevice() < 0) return false;
  int status;
  Stream *stream = streamOf(handle, &status);
  return stream && stream->capture;
}

}  // namespace emulator

using namespace emulator;

API int cuStreamCreate(void **stream, unsigned flags) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!stream || flags > 1) return kInvalidValue;
  auto made = new Stream{entry.device, flags == 0};
  entry.device->streams.insert(made);
  *stream = made;
  return kSuccess;
}
API int cuStreamCreateWithPriority(void **stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }
API int cuStreamDestroy_v2(void *handle) {
  Entry entry;
  int status = kSuccess;
  if (!entry.device) return entry.status;
  Stream *stream = streamOf(handle, &status);
  if (!stream || (uintptr_t)handle <= 2) return kInvalidHandle;
  if (stream->capture) invalidate(stream, 0);
  status = drain(stream);
  entry.device->streams.erase(stream);
  delete stream;
  return status;
}
API int cuStreamSynchronize(void *stream) { return synchronize(stream); }
API int cuStreamQuery(void *handle) {
  Entry entry;
  if (entry.status) return entry.status;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  if (stream->capture) return invalidate(stream, kCaptureUnsupported);
  if (!stream->pending.empty() && (status = runOne(stream))) return status;
  return stream->pending.empty() ? kSuccess : kNotReady;
}
API int cuStreamGetCtx(void *, void **) { return kNotSupported; }
API int cuStreamIsCapturing(void *handle, int *state) {
  Entry entry;
  if (entry.status) return entry.status;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  *state = !stream->capture ? 0 : numberOf(stream->capture) ? 1 : 2;
  return kSuccess;
}
API int cuLaunchHostFunc(void *stream, void (*function)(void *), void *data) {
  return enqueue(stream, "cuLaunchHostFunc", [=]() -> int { function(data); return kSuccess; });
}

API int cuEventCreate(Event **event, unsigned flags) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!event || flags > 7) return kInvalidValue;
  *event = new Event{entry.device, (flags & 2) == 0, nullptr};
  std::lock_guard<std::mutex> hold(eventsLock);
  events.insert(*event);
  return kSuccess;
}
API int cuEventDestroy_v2(Event *event) {
  std::lock_guard<std::mutex> hold(eventsLock);
  if (!events.erase(event)) return kInvalidHandle;
  delete event;
  return kSuccess;
}
API int cuEventRecord(Event *event, void *handle) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!isLive(event) || event->device != entry.device) return kInvalidHandle;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  if (stream->capture) {
    if (!numberOf(stream->capture)) return kCaptureInvalidated;
    event->capture = numberOf(stream->capture);
    event->tail = stream->tail;
    return kSuccess;
  }
  event->capture = 0;
  auto mark = std::make_shared<Mark>(Mark{stream, stream->enqueued + 1});
  event->mark = mark;
  return enqueue(handle, "cuEventRecord", [mark]() -> int {
    mark->done = true;
    mark->milliseconds = milliseconds();
    return kSuccess;
  });
}
API int cuStreamWaitEvent(void *handle, Event *event, unsigned flags) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!isLive(event)) return kInvalidHandle;
  if (flags > 1) return kInvalidValue;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  if (event->capture) {
    Capture *capture = captureOf(event->capture);
    return capture ? join(stream, capture, event->tail) : kCapturedEvent;
  }
  if (!event->mark) return kSuccess;
  if (stream->capture) return invalidate(stream, kCaptureIsolation);
  auto mark = event->mark;
  return enqueue(handle, "cuStreamWaitEvent", [mark]() -> int { return mark->done ? kSuccess : advance(mark->stream, mark->ticket); });
}
API int cuEventQuery(Event *event) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!isLive(event)) return kInvalidHandle;
  if (int status = refuseInCapture()) return status;
  if (event->capture) return kCapturedEvent;
  if (!event->mark || event->mark->done) return kSuccess;
  Stream *stream = event->mark->stream;
  if (!stream->pending.empty()) if (int status = runOne(stream)) return status;
  return event->mark->done ? kSuccess : kNotReady;
}
API int cuEventSynchronize(Event *event) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!isLive(event)) return kInvalidHandle;
  if (int status = refuseInCapture()) return status;
  if (event->capture) return kCapturedEvent;
  if (!event->mark || event->mark->done) return kSuccess;
  int status = drain(event->mark->stream, event->mark->ticket);
  return status ? status : check(entry.device);
}
API int cuEventElapsedTime(float *between, Event *start, Event *end) {
  Entry entry;
  if (entry.status) return entry.status;
  if (!isLive(start) || !isLive(end) || !start->timed || !end->timed || !start->mark || !end->mark) return kInvalidHandle;
  if (!start->mark->done || !end->mark->done) return kNotReady;
  *between = (float)(end->mark->milliseconds - start->mark->milliseconds);
  return kSuccess;
}
API int cuEventElapsedTime_v2(float *between, Event *start, Event *end) { return cuEventElapsedTime(between, start, end); }
