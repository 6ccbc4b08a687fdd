package org.gatun.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.gatun.cuda.Driver.NOT_READY;
import static org.gatun.cuda.Driver.SUCCESS;
import static org.gatun.cuda.Driver.check;
import static org.gatun.cuda.Driver.function;

import org.gatun.cuda.ffi.NativeFunction;
import org.gatun.cuda.ffi.Scratch;

/** The driver's functions on streams, events, and graphs captured from streams. */
final class DriverStreams {
  private static final NativeFunction CU_STREAM_CREATE = function("cuStreamCreate", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_STREAM_DESTROY = function("cuStreamDestroy_v2", JAVA_LONG);
  private static final NativeFunction CU_STREAM_SYNCHRONIZE = function("cuStreamSynchronize", JAVA_LONG);
  private static final NativeFunction CU_STREAM_QUERY = function("cuStreamQuery", JAVA_LONG);
  private static final NativeFunction CU_STREAM_WAIT_EVENT =
      function("cuStreamWaitEvent", JAVA_LONG, JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_STREAM_BEGIN_CAPTURE =
      function("cuStreamBeginCapture_v2", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_STREAM_END_CAPTURE = function("cuStreamEndCapture", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_STREAM_IS_CAPTURING = function("cuStreamIsCapturing", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_EVENT_CREATE = function("cuEventCreate", JAVA_LONG, JAVA_INT);
  private static final NativeFunction CU_EVENT_DESTROY = function("cuEventDestroy_v2", JAVA_LONG);
  private static final NativeFunction CU_EVENT_RECORD = function("cuEventRecord", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_EVENT_QUERY = function("cuEventQuery", JAVA_LONG);
  private static final NativeFunction CU_EVENT_SYNCHRONIZE = function("cuEventSynchronize", JAVA_LONG);
  private static final NativeFunction CU_EVENT_ELAPSED_TIME =
      function("cuEventElapsedTime", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_GRAPH_GET_NODES = function("cuGraphGetNodes", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_GRAPH_INSTANTIATE =
      function("cuGraphInstantiateWithFlags", JAVA_LONG, JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_GRAPH_LAUNCH = function("cuGraphLaunch", JAVA_LONG, JAVA_LONG);
  private static final NativeFunction CU_GRAPH_EXEC_DESTROY = function("cuGraphExecDestroy", JAVA_LONG);
  private static final NativeFunction CU_GRAPH_DESTROY = function("cuGraphDestroy", JAVA_LONG);

  /** Does not wait for the legacy default stream, on which nothing here runs. */
  private static final int NON_BLOCKING = 1;
  private static final int DISABLE_TIMING = 2;
  private static final int CAPTURE_THREAD_LOCAL = 1;

  private DriverStreams() {}

  /** {@code CUresult cuStreamCreate(CUstream *stream, unsigned int flags)} */
  static long createStream() {
    Scratch scratch = Scratch.cleared();
    check(CU_STREAM_CREATE.call(scratch.address(), NON_BLOCKING), CU_STREAM_CREATE, NON_BLOCKING);
    return scratch.int64();
  }

  /** {@code CUresult cuStreamDestroy_v2(CUstream stream)} */
  static void destroyStream(long stream) {
    check(CU_STREAM_DESTROY.call(stream), CU_STREAM_DESTROY, stream);
  }

  /** {@code CUresult cuStreamSynchronize(CUstream stream)} */
  static void synchronizeStream(long stream) {
    check(CU_STREAM_SYNCHRONIZE.call(stream), CU_STREAM_SYNCHRONIZE, stream);
  }

  /** {@code CUresult cuStreamQuery(CUstream stream)} */
  static boolean streamIsDone(long stream) {
    int status = CU_STREAM_QUERY.call(stream);
    check(status == NOT_READY ? SUCCESS : status, CU_STREAM_QUERY, stream);
    return status == SUCCESS;
  }

  /** {@code CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags)} */
  static void await(long stream, long event) {
    check(CU_STREAM_WAIT_EVENT.call(stream, event, 0), CU_STREAM_WAIT_EVENT, stream, event);
  }

  /**
   * {@code CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode)}, thread-local: what other threads do on
   * other streams does not disturb it.
   */
  static void beginCapture(long stream) {
    int status = CU_STREAM_BEGIN_CAPTURE.call(stream, CAPTURE_THREAD_LOCAL);
    check(status, CU_STREAM_BEGIN_CAPTURE, stream, CAPTURE_THREAD_LOCAL);
  }

  /** {@code CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph)} */
  static long endCapture(long stream) {
    Scratch scratch = Scratch.cleared();
    check(CU_STREAM_END_CAPTURE.call(stream, scratch.address()), CU_STREAM_END_CAPTURE, stream);
    return scratch.int64();
  }

  /** {@code CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status)} */
  static boolean isCapturing(long stream) {
    Scratch scratch = Scratch.cleared();
    check(CU_STREAM_IS_CAPTURING.call(stream, scratch.address()), CU_STREAM_IS_CAPTURING, stream);
    return scratch.int32() != 0;
  }

  /** {@code CUresult cuEventCreate(CUevent *event, unsigned int flags)} */
  static long createEvent(boolean timed) {
    Scratch scratch = Scratch.cleared();
    int flags = timed ? 0 : DISABLE_TIMING;
    check(CU_EVENT_CREATE.call(scratch.address(), flags), CU_EVENT_CREATE, flags);
    return scratch.int64();
  }

  /** {@code CUresult cuEventDestroy_v2(CUevent event)} */
  static void destroyEvent(long event) {
    check(CU_EVENT_DESTROY.call(event), CU_EVENT_DESTROY, event);
  }

  /** {@code CUresult cuEventRecord(CUevent event, CUstream stream)} */
  static void record(long event, long stream) {
    check(CU_EVENT_RECORD.call(event, stream), CU_EVENT_RECORD, event, stream);
  }

  /** {@code CUresult cuEventQuery(CUevent event)} */
  static boolean eventIsDone(long event) {
    int status = CU_EVENT_QUERY.call(event);
    check(status == NOT_READY ? SUCCESS : status, CU_EVENT_QUERY, event);
    return status == SUCCESS;
  }

  /** {@code CUresult cuEventSynchronize(CUevent event)} */
  static void synchronizeEvent(long event) {
    check(CU_EVENT_SYNCHRONIZE.call(event), CU_EVENT_SYNCHRONIZE, event);
  }

  /** {@code CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)} */
  static float elapsedMilliseconds(long start, long end) {
    Scratch scratch = Scratch.cleared();
    check(CU_EVENT_ELAPSED_TIME.call(scratch.address(), start, end), CU_EVENT_ELAPSED_TIME, start, end);
    return scratch.float32();
  }

  /** {@code CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count)}, with no room for nodes: how many there are. */
  static long graphNodes(long graph) {
    Scratch scratch = Scratch.cleared();
    check(CU_GRAPH_GET_NODES.call(graph, 0L, scratch.address()), CU_GRAPH_GET_NODES, graph);
    return scratch.int64();
  }

  /** {@code CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long flags)} */
  static long instantiate(long graph) {
    Scratch scratch = Scratch.cleared();
    check(CU_GRAPH_INSTANTIATE.call(scratch.address(), graph, 0L), CU_GRAPH_INSTANTIATE, graph);
    return scratch.int64();
  }

  /** {@code CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream)} */
  static void launch(long executable, long stream) {
    check(CU_GRAPH_LAUNCH.call(executable, stream), CU_GRAPH_LAUNCH, executable, stream);
  }

  /** {@code CUresult cuGraphExecDestroy(CUgraphExec executable)} */
  static void destroyExecutable(long executable) {
    check(CU_GRAPH_EXEC_DESTROY.call(executable), CU_GRAPH_EXEC_DESTROY, executable);
  }

  /** {@code CUresult cuGraphDestroy(CUgraph graph)} */
  static void destroyGraph(long graph) {
    check(CU_GRAPH_DESTROY.call(graph), CU_GRAPH_DESTROY, graph);
  }
}
