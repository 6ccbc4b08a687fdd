package org.gatun.cuda.nccl;

import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.LibraryStatus;
import org.gatun.cuda.Stream;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.NativeHandle;

/**
 * This process' place among the ranks of a communicator. Collectives are queued on a stream, in the same order at every rank;
 * they and {@link #close} may wait for other ranks. Where one of those has died, {@link #abort}, which <em>any</em> thread may
 * call, ends the waiting; all else is for the thread that owns the device.
 */
public final class NcclComm implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  private final CudaContext context;
  private final int ranks;
  private final int rank;
  private final long comm;
  private final AtomicBoolean ended = new AtomicBoolean();
  private final NativeHandle handle;

  private NcclComm(CudaContext context, int ranks, int rank, long comm) {
    this.context = context;
    this.ranks = ranks;
    this.rank = rank;
    this.comm = comm;
    AtomicBoolean endedAlready = ended; // the owner must not hold on to this object, only to what ends it
    handle = context.handles().own("communicator", comm, value -> end(value, endedAlready));
  }

  /** The library on this machine. */
  public static LibraryStatus status() {
    return LibraryStatus.ask(CudaLibrary.NCCL, () -> NcclLibrary.versionText(NcclLibrary.version()));
  }

  /** As {@link #join(CudaContext, int, int, String, int, Duration)}, with five minutes of patience. */
  public static NcclComm join(CudaContext context, int ranks, int rank, String host, int port) {
    return join(context, ranks, rank, host, port, PATIENCE);
  }

  /**
   * Joins as {@code rank} of {@code ranks}, from 0, and waits until all have joined. Rank 0 listens at {@code host:port},
   * which is the same for all and free; one communicator a port, others come of {@link #split}. Throws
   * {@code CudaException} of status 8, ncclTimeout, if some rank has not come after {@code patience}: the thread that waits
   * inside NCCL cannot be called back, so the process should then end. Throws {@code UnsupportedOperationException} if the
   * library is missing.
   */
  public static NcclComm join(CudaContext context, int ranks, int rank, String host, int port, Duration patience) {
    if (ranks < 1 || rank < 0 || rank >= ranks) {
      throw new IllegalArgumentException(
          "NCCL: rank " + rank + " of " + ranks + "; give one from 0 to the ranks less one");
    }
    CudaLibrary.NCCL.open();
    context.makeCurrent();
    NcclEnvironment.setRendezvous(host, port);
    var joined = new CompletableFuture<Long>();
    Thread.ofPlatform().name("nccl-join").daemon().start(() -> {
      try (Arena arena = Arena.ofConfined()) {
        context.lend();
        joined.complete(NcclLibrary.initRank(ranks, NcclLibrary.uniqueId(arena), rank));
      } catch (RuntimeException | Error e) {
        joined.completeExceptionally(e);
      }
    });
    String call = "ncclCommInitRank(" + ranks + " ranks, rank " + rank + ", rank 0 at " + host + ":" + port + ")";
    return new NcclComm(context, ranks, rank, await(joined, call, patience));
  }

  private static long await(CompletableFuture<Long> joined, String call, Duration patience) {
    try {
      return joined.get(patience.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException _) {
      throw new CudaException(call, NcclLibrary.TIMEOUT, NcclLibrary.statusName(NcclLibrary.TIMEOUT),
          "not all ranks came in " + patience.toMillis()
              + " milliseconds; see whether each was started and reaches that address, and start again");
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(call + " was interrupted while it waited for the other ranks; end the process");
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(call, e.getCause());
    }
  }

  public int ranks() {
    return ranks;
  }

  public int rank() {
    return rank;
  }

  /** {@code receive} = the reduction of all ranks' {@code send}, of {@code count} elements each; in place if they are one. */
  public void allReduce(Stream stream, DevicePtr send, DevicePtr receive, long count, NcclType type, NcclOp op) {
    check("all-reduce", send, receive, count, count, type);
    NcclLibrary.allReduce(send.address(), receive.address(), count, type, op, comm(), stream.handle());
  }

  /**
   * {@code receive} = elements from {@code rank * count} to before {@code (rank + 1) * count} of the reduction of all ranks'
   * {@code send}, of {@code ranks * count} elements; in place if it is that part of {@code send}.
   */
  public void reduceScatter(Stream stream, DevicePtr send, DevicePtr receive, long count, NcclType type, NcclOp op) {
    check("reduce-scatter", send, receive, Math.multiplyExact(count, ranks), count, type);
    NcclLibrary.reduceScatter(send.address(), receive.address(), count, type, op, comm(), stream.handle());
  }

  /**
   * {@code receive}, of {@code ranks * count} elements = the {@code send} of rank 0, of rank 1, ..., of {@code count} each; in
   * place if {@code send} is this rank's part of it.
   */
  public void allGather(Stream stream, DevicePtr send, DevicePtr receive, long count, NcclType type) {
    check("all-gather", send, receive, count, Math.multiplyExact(count, ranks), type);
    NcclLibrary.allGather(send.address(), receive.address(), count, type, comm(), stream.handle());
  }

  /** {@code receive} = {@code root}'s {@code send}, of {@code count} elements; in place if they are one. */
  public void broadcast(Stream stream, DevicePtr send, DevicePtr receive, long count, NcclType type, int root) {
    if (root < 0 || root >= ranks) {
      throw new IllegalArgumentException("NCCL broadcast: root " + root + " is not one of the " + ranks + " ranks");
    }
    check("broadcast", send, receive, count, count, type);
    NcclLibrary.broadcast(send.address(), receive.address(), count, type, root, comm(), stream.handle());
  }

  /**
   * Launches the collectives that {@code work} queues as one. If it fails in the middle, what was queued before is launched
   * still, so other ranks may wait for the rest: {@link #abort} then.
   */
  public void group(Runnable work) {
    comm();
    NcclLibrary.groupStart();
    try {
      work.run();
    } catch (RuntimeException | Error e) {
      try {
        NcclLibrary.groupEnd();
      } catch (CudaException alsoFailed) {
        e.addSuppressed(alsoFailed);
      }
      throw e;
    }
    NcclLibrary.groupEnd();
  }

  /**
   * A communicator of the ranks that name the same {@code color}, from 0, in the order of {@code key}, then of their ranks
   * here. All ranks must call this; it waits for them.
   */
  public NcclComm split(int color, int key) {
    if (color < 0) {
      throw new IllegalArgumentException("NCCL split: color " + color + "; give one from 0");
    }
    long part = NcclLibrary.split(comm(), color, key);
    return new NcclComm(context, NcclLibrary.count(part), NcclLibrary.userRank(part), part);
  }

  /** What went wrong with this communicator behind the caller's back, such as the loss of another rank; empty if nothing did. */
  public Optional<CudaException> asyncError() {
    int status = NcclLibrary.asyncError(comm());
    return status == NcclLibrary.SUCCESS
        ? Optional.empty()
        : Optional.of(NcclLibrary.failure(status, "communication of rank " + rank + " of " + ranks));
  }

  /**
   * Gives up: ends all that is queued or waiting on this communicator here, in whatever thread. It can only be closed
   * afterwards, and the other ranks must give up as well. Any thread may call this.
   */
  public void abort() {
    if (ended.compareAndSet(false, true)) {
      NcclLibrary.abort(comm);
    }
  }

  /** Waits for what is queued, here and at the other ranks, and leaves; after {@link #abort} nothing is left to do. */
  @Override
  public void close() {
    handle.close();
  }

  /** An abort may come while the finalization waits: what it has freed must not be destroyed again. */
  private static void end(long comm, AtomicBoolean ended) {
    if (ended.get()) {
      return;
    }
    try {
      NcclLibrary.finalizeComm(comm);
    } finally {
      if (ended.compareAndSet(false, true)) {
        NcclLibrary.destroy(comm);
      }
    }
  }

  private long comm() {
    long value = handle.value();
    if (ended.get()) {
      throw new IllegalStateException("rank " + rank + " of " + ranks + " has given up; join anew, in a new process");
    }
    return value;
  }

  private void check(String what, DevicePtr send, DevicePtr receive, long sent, long received, NcclType type) {
    long sentBytes = Math.multiplyExact(sent, type.byteSize());
    long receivedBytes = Math.multiplyExact(received, type.byteSize());
    if (sent < 1 || received < 1 || send.byteSize() < sentBytes || receive.byteSize() < receivedBytes) {
      throw new IllegalArgumentException("NCCL " + what + ": " + sent + " " + type + " to send and " + received
          + " to receive need memory of " + sentBytes + " and " + receivedBytes + " bytes, but were given " + send
          + " and "
          + receive);
    }
  }
}
