package org.gatun.gpu;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.CudaGraph;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Event;
import org.gatun.cuda.Kernel;
import org.gatun.cuda.Stream;
import org.gatun.cuda.cublaslt.CublasLt;
import org.gatun.cuda.cublaslt.Tuning;
import org.gatun.cuda.cudnn.Cudnn;
import org.gatun.cuda.nvrtc.KernelCache;
import org.gatun.cuda.nvrtc.Nvrtc;
import org.gatun.tensor.DType;
import org.gatun.tensor.Device;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Rehearsal;
import org.gatun.tensor.Tensor;

/**
 * One of NVIDIA's GPUs. The thread that makes it drives it; work goes to the card in the order of the calls, and only a
 * {@link #download} waits for it. An index out of bounds, which the CPU refuses at once, is told by the next download.
 */
public final class CudaDevice implements Device {
  /** Threads of a block where nothing asks for another number. */
  static final int THREADS = 256;

  /** Blocks a multiprocessor is given at most: kernels walk over what is more. */
  private static final int BLOCKS_EACH = 16;

  private final Options options;
  private final Thread owner = Thread.currentThread();
  private final CudaContext context;
  private final Stream stream;
  private final DevicePool pool;
  private final Staging staging;
  private final KernelSources sources;
  private final IndexReport indexReport;
  private final Kernels kernels;
  private CublasLt blas;
  private Cudnn dnn;
  private Memory.OnDevice workspace;
  private boolean capturing;
  private boolean closed;

  /**
   * What a device is asked to do differently.
   *
   * @param tf32 whether products of F32 matrices may round their factors to 11 bits, for several times the speed
   * @param tune whether the libraries' candidates for a matrix product are timed when it is first met
   * @param fuseGelu whether matrix products apply GELU and its derivative as they store, where the library can, or leave
   *     that to a kernel of its own, which rounds once less
   * @param deterministic whether cuDNN sums the gradient of the queries in a fixed order, for T · T numbers a head more of
   *     memory; all else is deterministic as it is
   * @param cache the folder of compiled kernels and of what was timed
   */
  public record Options(boolean tf32, boolean tune, boolean fuseGelu, boolean deterministic, Path cache) {
    /** Full F32, no timing, fused GELU, cuDNN's faster sums, the user's cache. */
    public static Options defaults() {
      return new Options(false, false, true, false, KernelCache.defaultFolder());
    }

    public Options withTf32(boolean wanted) {
      return new Options(wanted, tune, fuseGelu, deterministic, cache);
    }

    public Options withTune(boolean wanted) {
      return new Options(tf32, wanted, fuseGelu, deterministic, cache);
    }

    public Options withCache(Path folder) {
      return new Options(tf32, tune, fuseGelu, deterministic, folder);
    }

    public Options withFusedGelu(boolean wanted) {
      return new Options(tf32, tune, wanted, deterministic, cache);
    }

    public Options withDeterministic(boolean wanted) {
      return new Options(tf32, tune, fuseGelu, wanted, cache);
    }
  }

  /** Counts what a step will take from this kind of device; needs none. */
  public static Device rehearsal() {
    return new Rehearsal(false);
  }

  /** The device with this number, from 0, with {@link Options#defaults}. */
  public CudaDevice(int ordinal) {
    this(ordinal, Options.defaults());
  }

  /**
   * The device with this number, from 0.
   *
   * @throws UnsupportedOperationException if there is no driver, device or compiler; says what is missing and the remedy
   * @throws IllegalArgumentException if there is no device with this number
   */
  public CudaDevice(int ordinal, Options options) {
    this.options = options;
    var cache = new KernelCache(options.cache, Nvrtc.load());
    context = CudaContext.open(ordinal);
    stream = context.newStream();
    pool = new DevicePool(context, stream);
    staging = new Staging(context, stream);
    sources = new KernelSources(context, stream, cache);
    indexReport = new IndexReport(this);
    kernels = new Families(
        new GpuLinear(this), new GpuPointwise(this), new GpuReduction(this), new GpuNorm(this), new GpuSoftmax(this),
        new GpuAttention(this), new GpuIndex(this), new GpuLoss(this), new GpuUpdate(this));
  }

  private record Families(
      Linear linear, Pointwise pointwise, Reduction reduction, Norm norm, Softmax softmax, Attention attention,
      Index index, Loss loss, Update update)
      implements
        Kernels {}

  @Override
  public String name() {
    return "cuda:" + context.ordinal() + " (" + context.name() + ", sm_" + context.computeCapability() + ")";
  }

  @Override
  public Kernels kernels() {
    requireUsable();
    return kernels;
  }

  /** It does not: the library's derivative of the GELU gives no GELU. */
  @Override
  public boolean recomputesGelu() {
    return false;
  }

  /**
   * @throws org.gatun.cuda.OutOfDeviceMemoryException with the largest holders and what to change
   * @throws IllegalStateException if no block of this size is free while work is captured
   */
  @Override
  public Memory take(long byteSize) {
    requireUsable();
    return pool.take(byteSize);
  }

  @Override
  public void give(Memory memory) {
    pool.give((Memory.OnDevice) memory);
  }

  /** Asynchronous: {@code source} may be changed when this returns. */
  @Override
  public void upload(Tensor target, MemorySegment source) {
    requireFit("upload", target, source);
    requireNoCapture("upload", "overwrite the tensors it reads before each run()");
    staging.upload(pointer(target), source);
  }

  /**
   * @throws IllegalArgumentException also if an index that a kernel has met since the last download was out of bounds
   */
  @Override
  public void download(MemorySegment target, Tensor source) {
    requireFit("download", source, target);
    requireNoCapture("download", "read tensors after its run()");
    if (target.byteSize() == 0) {
      stream.synchronize();
    }
    staging.download(target, pointer(source));
    indexReport.raise();
  }

  @Override
  public Captured capture(Runnable work) {
    requireUsable();
    requireNoCapture("capture", "capture its parts one after the other");
    pool.beginCapture();
    capturing = true;
    CudaGraph graph = null;
    try {
      graph = stream.capture(work);
    } finally {
      capturing = false;
      pool.endCapture();
      if (graph == null) {
        pool.releaseCaptured();
      }
    }
    return new CapturedGraph(graph);
  }

  /** Captured work as a graph, launched by one call. */
  private final class CapturedGraph implements Captured {
    private final CudaGraph graph;
    private boolean closed;

    CapturedGraph(CudaGraph graph) {
      this.graph = graph;
    }

    @Override
    public void run() {
      requireUsable();
      requireNoCapture("run", "capture the work itself in place of its graph");
      if (closed) {
        throw new IllegalStateException("run: this captured work is closed; capture it again");
      }
      stream.launch(graph);
    }

    @Override
    public void close() {
      if (!closed && !CudaDevice.this.closed) {
        closed = true;
        graph.close();
        pool.releaseCaptured();
      }
    }
  }

  @Override
  public Reading readLater(Tensor source) {
    requireUsable();
    requireNoCapture("readLater", "read tensors after its run()");
    if (source.dtype() != DType.F32 || !source.isContiguous()) {
      throw new IllegalArgumentException("readLater: " + source + " must be contiguous F32");
    }
    return staging.read(pointer(source));
  }

  /** A moment on the stream. */
  private record Passing(Event event) implements Moment {
    @Override
    public double millisecondsSince(Moment earlier) {
      event.synchronize();
      return event.millisecondsSince(((Passing) earlier).event);
    }
  }

  @Override
  public Moment mark() {
    requireUsable();
    Event event = context.newTimedEvent();
    stream.record(event);
    return new Passing(event);
  }

  @Override
  public long bytesReserved() {
    return pool.bytesReserved();
  }

  @Override
  public long bytesInUse() {
    return pool.bytesInUse();
  }

  /** Waits for the device and gives everything back, the latest first; tensors of this device are gone. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    requireOwner();
    closed = true;
    try (context) {
      stream.synchronize();
      pool.close();
    }
  }

  @Override
  public String toString() {
    return name();
  }

  /** The card as the bridge sees it: for libraries that work beside this engine on the same memory. */
  public CudaContext context() {
    return context;
  }

  /** The one stream of this device's work; what others do with its tensors is put in order with it by events. */
  public Stream stream() {
    return stream;
  }

  // For the kernel families.

  Options options() {
    return options;
  }

  /** How it chooses its kernels. */
  Tuning tuning() {
    return new Tuning(options.tune, options.cache);
  }

  /** A kernel of a resource such as "norm.cu", compiled once for this card. */
  Kernel kernel(String source, String name) {
    return kernel(source, name, Map.of());
  }

  /** As {@link #kernel(String, String)}, compiled with these macros, such as types: one source serves all of them. */
  Kernel kernel(String source, String name, Map<String, String> defines) {
    return sources.resource(source, name, defines);
  }

  /** Matrix products; opened when first asked for, since the library takes most of a second. */
  CublasLt blas() {
    if (blas == null) {
      requireNoCapture("opening cuBLASLt", "run the same work once before it is captured");
      blas = CublasLt.open(context);
    }
    return blas;
  }

  /** Attention; opened when first asked for. */
  Cudnn dnn() {
    if (dnn == null) {
      requireNoCapture("opening cuDNN", "run the same work once before it is captured");
      dnn = Cudnn.open(context);
    }
    return dnn;
  }

  /** The sources themselves. */
  KernelSources sources() {
    return sources;
  }

  /** Blocks for so many tasks of one thread each; kernels walk over what is more than that. */
  int blocks(long tasks, int threads) {
    return blocks(Math.ceilDiv(tasks, threads));
  }

  /** Blocks for so many tasks of one block each. */
  int blocks(long tasks) {
    return (int) Math.clamp(tasks, 1, (long) context.multiprocessors() * BLOCKS_EACH);
  }

  /** Has indices I32 checked by the device; see {@link IndexReport#check}. */
  void checkIndices(String sentence, Tensor indices, int bound, Integer ignored) {
    indexReport.check(sentence, indices, bound, ignored);
  }

  /** Where a tensor's first element lies, and how far its elements reach from there. */
  public static DevicePtr pointer(Tensor x) {
    long address = ((Memory.OnDevice) x.memory()).address() + x.offset() * x.dtype().byteSize();
    long last = 0;
    for (int axis = 0; axis < x.shape().rank(); axis++) {
      last += (x.shape().dim(axis) - 1) * x.stride(axis);
    }
    return new DevicePtr(address, x.shape().size() == 0 ? 0 : (last + 1) * x.dtype().byteSize());
  }

  /** Whether a tensor's first element lies where 16 bytes can be moved at a time. */
  static boolean isAligned(Tensor x) {
    return pointer(x).address() % 16 == 0;
  }

  /** What kernels call this type. */
  static String cType(DType type) {
    return switch (type) {
      case F32 -> "float";
      case BF16 -> "bf16";
      case I32 -> "int";
    };
  }

  /**
   * Memory for the work of one call, this many bytes or more. The same for all calls, in the stream's order; it stays
   * where it is until more is asked for.
   */
  DevicePtr workspace(long bytes) {
    if (workspace == null || workspace.byteSize() < bytes) {
      // Work captured before goes on using the old one.
      if (workspace != null && !pool.isCaptured()) {
        pool.give(workspace);
      }
      workspace = pool.take(bytes);
    }
    return new DevicePtr(workspace.address(), workspace.byteSize());
  }

  private void requireFit(String operation, Tensor tensor, MemorySegment bytes) {
    requireUsable();
    long expected = tensor.shape().size() * tensor.dtype().byteSize();
    if (bytes.byteSize() != expected || !tensor.isContiguous()) {
      throw new IllegalArgumentException(
          operation + ": " + bytes.byteSize() + " bytes, but " + tensor + " has " + expected
              + (tensor.isContiguous() ? "" : " and is not contiguous; copy it with contiguous()"));
    }
  }

  private void requireNoCapture(String operation, String instead) {
    if (capturing) {
      throw new IllegalStateException(
          operation + " while work is captured, when the device computes nothing; " + instead);
    }
  }

  private void requireUsable() {
    if (closed) {
      throw new IllegalStateException("this CudaDevice is closed; use it before, or make another");
    }
    requireOwner();
  }

  private void requireOwner() {
    if (Thread.currentThread() != owner) {
      throw new IllegalStateException("this CudaDevice is driven by the thread that made it, \"" + owner.getName()
          + "\", not by \"" + Thread.currentThread().getName()
          + "\"; hand the work to that one, or make a device there");
    }
  }
}
