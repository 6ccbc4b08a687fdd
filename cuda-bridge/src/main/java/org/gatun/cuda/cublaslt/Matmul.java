package org.gatun.cuda.cublaslt;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Stream;
import org.gatun.cuda.ffi.NativeHandle;

/** A problem and the kernel chosen for it. Running it allocates nothing. */
public final class Matmul implements AutoCloseable {
  private static final int ALPHA = Proposal.ALGORITHM_BYTES;
  private static final int BETA = ALPHA + Float.BYTES;

  private final MatmulProblem problem;
  private final Proposal proposal;
  private final NativeHandle library;
  private final NativeHandle plan;
  private final MatmulDescriptors descriptors;
  private final MemorySegment cells;
  private final long aBytes;
  private final long bBytes;
  private final long dBytes;

  Matmul(CudaContext context, NativeHandle library, MatmulDescriptors descriptors, Proposal proposal) {
    this.problem = descriptors.problem();
    this.proposal = proposal;
    this.library = library;
    this.descriptors = descriptors;
    Arena arena = Arena.ofConfined();
    cells = arena.allocate(BETA + Float.BYTES, 16);
    proposal.writeTo(cells.asSlice(0, Proposal.ALGORITHM_BYTES));
    plan = context.handles().own("matmul plan", descriptors.operation(), _ -> {
      descriptors.close();
      arena.close();
    });
    aBytes = problem.a().byteSize(problem.batch());
    bBytes = problem.b().byteSize(problem.batch());
    dBytes = problem.d().byteSize(problem.batch());
  }

  public MatmulProblem problem() {
    return problem;
  }

  /** Bytes of device memory that a run needs beside the matrices. */
  public long workspaceBytes() {
    return proposal.workspaceBytes();
  }

  /**
   * Queues D = epilogue(alpha * op(A) op(B) + beta * C). C may be D, and {@code null} if beta is 0; bias and aux are
   * {@code null} where the epilogue has none, the workspace where none is needed. Throws {@code IllegalArgumentException} if
   * memory is too small or not aligned as the problem promised.
   */
  public void run(Stream stream, float alpha, DevicePtr a, DevicePtr b, float beta, DevicePtr c, DevicePtr d,
      DevicePtr bias, DevicePtr aux, DevicePtr workspace) {
    plan.value();
    check("A", a, aBytes);
    check("B", b, bBytes);
    check("D", d, dBytes);
    if (beta != 0) {
      check("C", c, dBytes);
    }
    check("the bias", bias, problem.biasBytes());
    check("the auxiliary matrix", aux, problem.auxBytes());
    check("the workspace", workspace, proposal.workspaceBytes());
    descriptors.setEpilogue(address(bias), address(aux));
    cells.set(JAVA_FLOAT, ALPHA, alpha);
    cells.set(JAVA_FLOAT, BETA, beta);
    long here = cells.address();
    CublasLtLibrary.matmul(library.value(), descriptors, here + ALPHA, a.address(), b.address(), here + BETA,
        beta == 0 ? d.address() : c.address(), d.address(), here, address(workspace), proposal.workspaceBytes(),
        stream.handle());
  }

  /** Ends the plan; runs that were queued go on. */
  @Override
  public void close() {
    plan.close();
  }

  private void check(String what, DevicePtr memory, long bytes) {
    if (bytes == 0) {
      return;
    }
    if (memory == null || memory.byteSize() < bytes || memory.address() % problem.alignment() != 0) {
      throw new IllegalArgumentException("matmul: " + what + " needs " + bytes + " bytes at a multiple of "
          + problem.alignment() + ", but was given " + (memory == null ? "none" : memory) + ": " + problem);
    }
  }

  private static long address(DevicePtr memory) {
    return memory == null ? 0 : memory.address();
  }
}
