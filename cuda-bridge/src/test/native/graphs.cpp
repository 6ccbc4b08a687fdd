// Capture and replay. What real capture refuses is refused; what is captured is replayed in any order that its dependencies permit.
#include <algorithm>
#include <thread>

#include "emulator.h"

namespace emulator {

struct Node {
  std::shared_ptr<Operation> operation;
  std::vector<int> after;
};
struct Capture {
  uint64_t number;
  int mode;  // 0 global, 1 thread-local, 2 relaxed
  std::thread::id thread;
  Stream *origin;
  std::vector<Node> nodes;
  std::set<Stream *> streams;
  bool invalid = false;
};
struct Graph {
  std::vector<Node> nodes;
};
struct GraphExec {
  std::vector<Node> nodes;
  Device *device;
};

namespace {

std::recursive_mutex lock;
std::set<Capture *> &captures = *new std::set<Capture *>;
std::set<Graph *> &graphs = *new std::set<Graph *>;
std::set<GraphExec *> &executables = *new std::set<GraphExec *>;
uint64_t numbers, replays;
thread_local int threadMode = 0;

void finish(Capture *capture) {
  for (Stream *s : capture->streams) {
    s->capture = nullptr;
    s->tail.clear();
  }
  captures.erase(capture);
  delete capture;
}

// Whether all captured work leads to the nodes of the origin's tail.
bool isJoined(const Capture &capture) {
  std::vector<bool> reached(capture.nodes.size());
  std::vector<int> open = capture.origin->tail;
  while (!open.empty()) {
    int n = open.back();
    open.pop_back();
    if (reached[n]) continue;
    reached[n] = true;
    open.insert(open.end(), capture.nodes[n].after.begin(), capture.nodes[n].after.end());
  }
  for (Stream *s : capture.streams) for (int n : s->tail) if (!reached[n]) return false;
  return true;
}

// An order in which each node follows those it depends on; seed 0 takes the captured one.
std::vector<int> order(const std::vector<Node> &nodes) {
  std::vector<int> result, ready, missing(nodes.size());
  std::vector<std::vector<int>> before(nodes.size());
  uint64_t seed = (uint64_t)setting("SEED", 0), random = mix(seed + ++replays);
  for (size_t n = 0; n < nodes.size(); n++) {
    if (seed == 0) {
      result.push_back((int)n);
      continue;
    }
    missing[n] = (int)nodes[n].after.size();
    for (int a : nodes[n].after) before[a].push_back((int)n);
    if (!missing[n]) ready.push_back((int)n);
  }
  while (!ready.empty()) {
    random = mix(random);
    std::swap(ready[random % ready.size()], ready.back());
    int n = ready.back();
    ready.pop_back();
    result.push_back(n);
    for (int b : before[n]) if (--missing[b] == 0) ready.push_back(b);
  }
  return result;
}

}  // namespace

int record(Stream *stream, std::shared_ptr<Operation> operation) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  Capture *capture = stream->capture;
  if (capture->invalid) return kCaptureInvalidated;
  capture->nodes.push_back(Node{std::move(operation), stream->tail});
  stream->tail = {(int)capture->nodes.size() - 1};
  return kSuccess;
}

int join(Stream *stream, Capture *capture, const std::vector<int> &tail) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (capture->invalid) return kCaptureInvalidated;
  if (stream->capture && stream->capture != capture) {
    stream->capture->invalid = capture->invalid = true;
    return kCaptureIsolation;
  }
  if (!stream->capture) {
    stream->capture = capture;
    stream->tail.clear();
    capture->streams.insert(stream);
  }
  for (int n : tail) if (!std::count(stream->tail.begin(), stream->tail.end(), n)) stream->tail.push_back(n);
  return kSuccess;
}

int invalidate(Stream *stream, int status) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (stream->capture) stream->capture->invalid = true;
  return status;
}

int refuseInCapture() {
  std::lock_guard<std::recursive_mutex> hold(lock);
  bool refused = false;
  for (Capture *c : captures) {
    bool here = c->thread == std::this_thread::get_id();
    bool watched = threadMode != 2 && ((c->mode == 0 && (here || threadMode == 0)) || (c->mode == 1 && here));
    if (watched) c->invalid = refused = true;
  }
  return refused ? kCaptureUnsupported : kSuccess;
}

Capture *captureOf(uint64_t number) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  for (Capture *c : captures) if (c->number == number) return c;
  return nullptr;
}

uint64_t numberOf(Capture *capture) { return capture->invalid ? 0 : capture->number; }

bool blocksLegacyStream(Device *device) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  for (Capture *c : captures) {
    for (Stream *s : c->streams) {
      if (s->device == device && s->blocking) return c->invalid = true;
    }
  }
  return false;
}

}  // namespace emulator

using namespace emulator;

API int cuStreamBeginCapture_v2(void *handle, int mode) {
  Entry entry;
  if (entry.status) return entry.status;
  if (mode < 0 || mode > 2) return kInvalidValue;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  if ((uintptr_t)handle <= 2) return kCaptureUnsupported;
  if (stream->capture) return invalidate(stream, 401);  // CUDA_ERROR_ILLEGAL_STATE
  std::lock_guard<std::recursive_mutex> hold(lock);
  auto capture = new Capture{++numbers, mode, std::this_thread::get_id(), stream};
  capture->streams.insert(stream);
  captures.insert(capture);
  stream->capture = capture;
  stream->tail.clear();
  return kSuccess;
}
API int cuStreamEndCapture(void *handle, Graph **graph) {
  Entry entry;
  if (!entry.device) return entry.status;
  int status = kSuccess;
  Stream *stream = streamOf(handle, &status);
  if (!stream) return status;
  std::lock_guard<std::recursive_mutex> hold(lock);
  *graph = nullptr;
  Capture *capture = stream->capture;
  if (!capture) return 401;
  if (capture->origin != stream) {
    capture->invalid = true;
    return kCaptureUnmatched;
  }
  if (capture->mode != 2 && capture->thread != std::this_thread::get_id()) return kCaptureWrongThread;
  status = entry.status ? entry.status : capture->invalid ? kCaptureInvalidated : isJoined(*capture) ? kSuccess : kCaptureUnjoined;
  if (!status) {
    *graph = new Graph{capture->nodes};
    graphs.insert(*graph);
  }
  finish(capture);
  return status;
}
API int cuThreadExchangeStreamCaptureMode(int *mode) {
  if (!mode || *mode < 0 || *mode > 2) return kInvalidValue;
  std::swap(*mode, threadMode);
  return kSuccess;
}
API int cuGraphInstantiateWithFlags(GraphExec **exec, Graph *graph, unsigned long long flags) {
  Entry entry;
  if (entry.status) return entry.status;
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (!graphs.count(graph)) return kInvalidHandle;
  if (flags) return kNotSupported;
  *exec = new GraphExec{graph->nodes, entry.device};
  executables.insert(*exec);
  return kSuccess;
}
API int cuGraphUpload(GraphExec *exec, void *) { return executables.count(exec) ? kSuccess : kInvalidHandle; }
API int cuGraphLaunch(GraphExec *exec, void *stream) {
  Entry entry;
  if (entry.status) return entry.status;
  {
    std::lock_guard<std::recursive_mutex> hold(lock);
    if (!executables.count(exec)) return kInvalidHandle;
  }
  bool prompt = false;
  for (const Node &n : exec->nodes) prompt |= n.operation->prompt;
  auto nodes = std::make_shared<std::vector<Node>>(exec->nodes);
  auto left = std::make_shared<std::deque<int>>();
  for (int n : order(*nodes)) left->push_back(n);
  return enqueue(stream, "cuGraphLaunch", [nodes, left]() -> int {
    for (; !left->empty(); left->pop_front()) {
      const Operation &operation = *(*nodes)[left->front()].operation;
      if (int status = guarded(operation.name, operation.run)) return status;
    }
    return kSuccess;
  }, prompt);
}
API int cuGraphGetNodes(Graph *graph, void **nodes, size_t *count) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (!graphs.count(graph) || !count) return kInvalidValue;
  for (size_t i = 0; nodes && i < *count && i < graph->nodes.size(); i++) nodes[i] = &graph->nodes[i];
  *count = graph->nodes.size();
  return kSuccess;
}
API int cuGraphDestroy(Graph *graph) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (!graphs.erase(graph)) return kInvalidHandle;
  delete graph;
  return kSuccess;
}
API int cuGraphExecDestroy(GraphExec *exec) {
  std::lock_guard<std::recursive_mutex> hold(lock);
  if (!executables.erase(exec)) return kInvalidHandle;
  delete exec;
  return kSuccess;
}
