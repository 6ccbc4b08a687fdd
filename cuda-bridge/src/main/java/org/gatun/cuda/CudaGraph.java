package org.gatun.cuda;

import org.gatun.cuda.ffi.NativeHandle;

/** Captured work, launched as a whole by {@link Stream#launch}: what it reads and writes must be where it was at the capture. */
public final class CudaGraph implements AutoCloseable {
  private final NativeHandle executable;
  private final int nodes;

  /** Takes over the captured {@code graph}, of which only the executable form is kept. */
  CudaGraph(CudaContext context, long graph) {
    try {
      nodes = Math.toIntExact(DriverStreams.graphNodes(graph));
      executable = context.handles().own("graph", DriverStreams.instantiate(graph), DriverStreams::destroyExecutable);
    } finally {
      DriverStreams.destroyGraph(graph);
    }
  }

  /** The {@code CUgraphExec}. */
  long handle() {
    return executable.value();
  }

  /** Kernels, copies and fills in it. */
  public int nodes() {
    return nodes;
  }

  @Override
  public void close() {
    executable.close();
  }
}
