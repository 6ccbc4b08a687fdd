package org.gatun.dist;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.DeviceBlock;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Event;
import org.gatun.cuda.PinnedBlock;
import org.gatun.cuda.Stream;
import org.gatun.cuda.nccl.NcclComm;
import org.gatun.cuda.nccl.NcclOp;
import org.gatun.cuda.nccl.NcclType;
import org.gatun.gpu.CudaDevice;
import org.gatun.tensor.DType;
import org.gatun.tensor.Tensor;

/**
 * Ranks on NVIDIA's GPUs, one process a GPU, by NCCL. Collectives run on a stream of their own: an event makes them wait for the device's
 * work before them, and {@link #join} makes the device's later work wait for them; both are captured with a step that is captured.
 */
public final class NcclCommunicator implements Communicator {
  private final CudaDevice device;
  private final NcclComm comm;
  private final Stream stream;

  private final Event before;
  private final Event after;
  private final DeviceBlock numbers;
  private final PinnedBlock staging;
  private boolean pending;
  private volatile boolean aborted;

  /**
   * Waits until all ranks have come.
   *
   * @param host where rank 0 listens
   * @param port the port there, free, the same for all
   * @throws CudaException if not all ranks come within {@code patience}
   */
  public NcclCommunicator(CudaDevice device, int rank, int size, String host, int port, Duration patience) {
    this.device = device;
    this.stream = device.context().newStream();
    this.before = device.context().newEvent();
    this.after = device.context().newEvent();
    this.numbers = device.context().allocate(2 * Long.BYTES);
    this.staging = device.context().allocatePinned(2 * Long.BYTES);
    this.comm = NcclComm.join(device.context(), size, rank, host, port, patience);
  }

  @Override
  public int rank() {
    return comm.rank();
  }

  @Override
  public int size() {
    return comm.ranks();
  }

  @Override
  public void allReduceMean(Tensor tensor) {
    if (tensor.dtype() != DType.F32 || !tensor.isContiguous()) {
      throw new IllegalArgumentException("allReduceMean: " + tensor + " must be contiguous F32");
    }
    DevicePtr memory = fork(tensor);
    comm.allReduce(stream, memory, memory, tensor.shape().size(), NcclType.FLOAT32, NcclOp.AVERAGE);
  }

  @Override
  public void broadcast(Tensor tensor, int root) {
    if (!tensor.isContiguous()) {
      throw new IllegalArgumentException("broadcast: " + tensor + " must be contiguous");
    }
    DevicePtr memory = fork(tensor);
    NcclType type = switch (tensor.dtype()) {
      case F32 -> NcclType.FLOAT32;
      case BF16 -> NcclType.BFLOAT16;
      case I32 -> NcclType.INT32;
    };
    comm.broadcast(stream, memory, memory, tensor.shape().size(), type, root);
  }

  /** What comes next on the stream of collectives waits for all that the device was told so far. */
  private DevicePtr fork(Tensor tensor) {
    device.stream().record(before);
    stream.await(before);
    pending = true;
    return CudaDevice.pointer(tensor);
  }

  @Override
  public void join() {
    if (pending) {
      stream.record(after);
      device.stream().await(after);
      pending = false;
    }
  }

  /** Compares the least and the greatest of all ranks: the greatest of -x is the least of x. */
  @Override
  public void requireSame(String what, long value) {
    MemorySegment host = staging.segment();
    host.set(ValueLayout.JAVA_LONG, 0, value);
    host.set(ValueLayout.JAVA_LONG, Long.BYTES, -value);
    stream.upload(numbers.pointer(), host);
    comm.allReduce(stream, numbers.pointer(), numbers.pointer(), 2, NcclType.INT64, NcclOp.MAX);
    stream.download(host, numbers.pointer());
    stream.synchronize();
    comm.asyncError().ifPresent(error -> {
      throw error;
    });
    long greatest = host.get(ValueLayout.JAVA_LONG, 0);
    long least = -host.get(ValueLayout.JAVA_LONG, Long.BYTES);
    if (least != greatest) {
      throw new IllegalStateException(
          what + " differ between ranks: rank " + rank() + " has " + value + ", others from "
              + least + " to " + greatest + "; start all ranks from the same files, options and version");
    }
  }

  @Override
  public void abort() {
    aborted = true;
    comm.abort();
  }

  /** Leaves; other ranks must do so too, unless the group was aborted. */
  @Override
  public void close() {
    if (!aborted) {
      stream.synchronize();
    }
    comm.close();
    staging.close();
    numbers.close();
    after.close();
    before.close();
    stream.close();
  }
}
