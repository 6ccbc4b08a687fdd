package org.gatun.cuda.cublaslt;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeHandle;

/** cuBLASLt on one device. Used by the thread that owns the device. */
public final class CublasLt implements AutoCloseable {
  private static final int PROPOSALS = 8;
  private static final int PROPOSALS_TO_TIME = 16;
  // What NVIDIA's guide to cublasSetWorkspace recommends by architecture: https://docs.nvidia.com/cuda/cublas/
  private static final long HOPPER_WORKSPACE_BYTES = 32L << 20;
  private static final long WORKSPACE_BYTES = 4L << 20;

  private final CudaContext context;
  private final NativeHandle handle;

  private CublasLt(CudaContext context) {
    this.context = context;
    context.makeCurrent();
    handle = context.handles().own("cuBLASLt handle", CublasLtLibrary.create(), CublasLtLibrary::destroy);
  }

  /** Opens the library on {@code context}'s device; throws {@code UnsupportedOperationException} if it is missing. */
  public static CublasLt open(CudaContext context) {
    CudaLibrary.CUBLAS_LT.open();
    return new CublasLt(context);
  }

  /** The library on this machine. */
  public static LibraryStatus status() {
    return LibraryStatus.ask(CudaLibrary.CUBLAS_LT, () -> versionText(CublasLtLibrary.version()));
  }

  /** Such as 13.1.1. */
  public String version() {
    return versionText(CublasLtLibrary.version());
  }

  /** 130101 is 13.1.1. */
  static String versionText(long version) {
    return String.format(Locale.ROOT, "%d.%d.%d", version / 10_000, version / 100 % 100, version % 100);
  }

  /**
   * Chooses a kernel for {@code problem}. Throws {@code CudaException} of status 15, NOT_SUPPORTED, if there is none, so that
   * the caller can do without the epilogue.
   */
  public Matmul plan(MatmulProblem problem, Tuning tuning) {
    problem.whyNotFused().ifPresent(reason -> {
      throw CublasLtLibrary.notSupported(problem, reason);
    });
    context.makeCurrent();
    var descriptors = new MatmulDescriptors(problem, workspaceLimit());
    try {
      List<Proposal> proposals = proposals(descriptors, tuning.timed() ? PROPOSALS_TO_TIME : PROPOSALS);
      Proposal chosen = tuning.timed()
          ? new ProposalTiming(context, version(), tuning.cacheFolder()).fastest(this, descriptors, proposals)
          : proposals.getFirst();
      return matmul(descriptors, chosen);
    } catch (RuntimeException e) {
      descriptors.close();
      throw e;
    }
  }

  /** Ends the library's handle; plans made from it must not run any more. */
  @Override
  public void close() {
    handle.close();
  }

  /** A plan that takes charge of {@code descriptors}. */
  Matmul matmul(MatmulDescriptors descriptors, Proposal proposal) {
    return new Matmul(context, handle, descriptors, proposal);
  }

  private long workspaceLimit() {
    return context.computeCapability() >= 90 ? HOPPER_WORKSPACE_BYTES : WORKSPACE_BYTES;
  }

  /** What the library proposes, the best first by its estimate; at least one. */
  private List<Proposal> proposals(MatmulDescriptors descriptors, int wanted) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment results = arena.allocate(Proposal.RESULT_BYTES * wanted, 8);
      int count = CublasLtLibrary.heuristic(handle.value(), descriptors, wanted, results.address());
      var proposals = new ArrayList<Proposal>();
      for (int i = 0; i < count; i++) {
        Proposal.of(results.asSlice(i * Proposal.RESULT_BYTES, Proposal.RESULT_BYTES)).ifPresent(proposals::add);
      }
      if (proposals.isEmpty()) {
        throw CublasLtLibrary.notSupported(descriptors.problem(), "no kernel was proposed; do without the epilogue");
      }
      return proposals;
    }
  }
}
