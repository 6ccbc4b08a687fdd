package org.gatun.cpu;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.gatun.tensor.Device;
import org.gatun.tensor.Kernels;
import org.gatun.tensor.Memory;
import org.gatun.tensor.Rehearsal;
import org.gatun.tensor.Tensor;

/**
 * The processor Java runs on: tensors off the heap, kernels in the Vector API, a team of threads.
 *
 * <p>On Linux x86-64 with AVX2 or AVX-512, the loops of a training in F32 run in machine code that is written at the
 * first use, if Java was started with {@code --enable-native-access=org.gatun.engine}; see {@link #loops}.
 * {@code -Dorg.gatun.machineCode=false} leaves them to the Vector API there too.
 */
public final class CpuDevice implements Device {
  private static final Path CPUS = Path.of("/sys/devices/system/cpu");

  private final Workers workers;
  private final String blas;
  private final HostPool pool = new HostPool();
  private final float[][][] scratch;
  private final Kernels kernels;
  private volatile boolean closed;

  /** As many threads as there are physical cores this process may use. */
  public CpuDevice() {
    this(physicalCores());
  }

  /** A given number of threads; results do not depend on it. */
  public CpuDevice(int threads) {
    this(threads, null);
  }

  /**
   * As {@link #CpuDevice(int)}, with products of F32 matrices by a library of the system: the same
   * results within rounding, which may depend on the number of threads.
   *
   * @param blas {@code mkl}, {@code accelerate}, or the path of a library with the CBLAS interface;
   *     null for our own products
   * @throws UnsupportedOperationException if {@code mkl} or {@code accelerate} is not installed
   * @throws IllegalArgumentException if there is no such library
   */
  public CpuDevice(int threads, String blas) {
    SystemBlas library = blas == null ? null : SystemBlas.open(blas);
    this.blas = blas;
    workers = new Workers(threads);
    scratch = new float[threads][0][];
    var reduction = new CpuReduction(this);
    kernels =
        new Families(
            new CpuLinear(new Gemm(workers, library), reduction),
            new CpuPointwise(this),
            reduction,
            new CpuNorm(this),
            new CpuSoftmax(this),
            new CpuAttention(this),
            new CpuIndex(this),
            new CpuLoss(this),
            new CpuUpdate(this));
  }

  /** Counts what a step will take from this kind of device. */
  public static Device rehearsal() {
    return new Rehearsal(true);
  }

  private record Families(
      Linear linear,
      Pointwise pointwise,
      Reduction reduction,
      Norm norm,
      Softmax softmax,
      Attention attention,
      Index index,
      Loss loss,
      Update update)
      implements
        Kernels {}

  @Override
  public String name() {
    return "cpu (" + workers.threads() + " threads, " + Lanes.SPECIES.length() + " lanes)";
  }

  /** It does: reading the GELU costs as much, and writing it before comes on top. */
  @Override
  public boolean recomputesGelu() {
    return true;
  }

  /** What the loops over F32 are made of, and if that is not the fastest of ours, why. */
  public String loops() {
    String obstacle = X86Kernels.obstacle();
    String loops =
        obstacle == null
            ? "in machine code for " + (Lanes.SPECIES.length() == 16 ? "AVX-512" : "AVX2")
            : "by the Vector API: " + obstacle;
    return blas == null ? loops : loops + "; products by the BLAS " + blas;
  }

  @Override
  public Kernels kernels() {
    requireOpen();
    return kernels;
  }

  @Override
  public Memory take(long byteSize) {
    return pool.take(byteSize);
  }

  @Override
  public void give(Memory memory) {
    pool.give((Memory.Host) memory);
  }

  @Override
  public void upload(Tensor target, MemorySegment source) {
    requireFit("upload", target, source);
    MemorySegment.copy(source, 0, bytes(target), byteOffset(target), source.byteSize());
  }

  @Override
  public void download(MemorySegment target, Tensor source) {
    requireFit("download", source, target);
    MemorySegment.copy(bytes(source), byteOffset(source), target, 0, target.byteSize());
  }

  /** The host's clock: a kernel has ended when its call has. */
  private record Instant(long nanoTime) implements Moment {
    @Override
    public double millisecondsSince(Moment earlier) {
      return (nanoTime - ((Instant) earlier).nanoTime) / 1e6;
    }
  }

  @Override
  public Reading readLater(Tensor source) {
    float[] elements = source.toArray();
    return () -> elements;
  }

  @Override
  public Moment mark() {
    return new Instant(System.nanoTime());
  }

  @Override
  public Captured capture(Runnable work) {
    requireOpen();
    return Captured.byHost(work); // nothing would be gained by recording what Java does
  }

  @Override
  public long bytesReserved() {
    return pool.bytesReserved();
  }

  @Override
  public long bytesInUse() {
    return pool.bytesInUse();
  }

  /** Ends the threads and gives all memory back; tensors of this device are gone. */
  @Override
  public void close() {
    if (!closed) {
      workers.close(); // refused while they work
      closed = true;
      pool.close();
    }
  }

  @Override
  public String toString() {
    return name();
  }

  /** The threads of this device's kernels. */
  Workers workers() {
    return workers;
  }

  /**
   * At least {@code length} floats for a worker's use within one task, kept from call to call under
   * a small number; what they hold is of no meaning.
   */
  float[] scratch(int worker, int slot, int length) {
    float[][] own = scratch[worker];
    if (slot >= own.length) {
      own = Arrays.copyOf(own, slot + 1);
      scratch[worker] = own;
    }
    if (own[slot] == null || own[slot].length < length) {
      own[slot] = new float[length];
    }
    return own[slot];
  }

  /** The memory of a tensor on a host. */
  static MemorySegment bytes(Tensor x) {
    return ((Memory.Host) x.memory()).segment();
  }

  private static long byteOffset(Tensor x) {
    return x.offset() * x.dtype().byteSize();
  }

  private void requireFit(String operation, Tensor tensor, MemorySegment bytes) {
    requireOpen();
    long expected = tensor.shape().size() * tensor.dtype().byteSize();
    if (bytes.byteSize() != expected || !tensor.isContiguous()) {
      throw new IllegalArgumentException(
          operation
              + ": "
              + bytes.byteSize()
              + " bytes, but "
              + tensor
              + " has "
              + expected
              + (tensor.isContiguous() ? "" : " and is not contiguous; copy it with contiguous()"));
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("this CpuDevice is closed; use it before, or make another");
    }
  }

  /** Cores this process may use, not hardware threads: two that share a core's multipliers gain nothing. */
  public static int physicalCores() {
    int available = Runtime.getRuntime().availableProcessors();
    if (!Files.isDirectory(CPUS)) {
      return available;
    }
    Set<String> cores = new HashSet<>();
    try (DirectoryStream<Path> cpus = Files.newDirectoryStream(CPUS, "cpu[0-9]*")) {
      for (Path cpu : cpus) {
        Path siblings = cpu.resolve("topology/thread_siblings_list");
        if (Files.isReadable(siblings)) {
          cores.add(Files.readString(siblings));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("CpuDevice: cannot read " + CPUS + "; name the threads", e);
    }
    return cores.isEmpty() ? available : Math.min(cores.size(), available);
  }
}
