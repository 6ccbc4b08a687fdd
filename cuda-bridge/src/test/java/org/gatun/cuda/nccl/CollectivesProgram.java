package org.gatun.cuda.nccl;

import static org.gatun.cuda.ElementType.F32;

import java.util.Arrays;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Stream;
import org.gatun.cuda.testing.DeviceArrays;

/** One of two ranks, {@code rank port}: each collective once, on numbers that say which rank they come from. */
final class CollectivesProgram {
  private CollectivesProgram() {}

  public static void main(String[] arguments) {
    int rank = Integer.parseInt(arguments[0]);
    try (CudaContext context = CudaContext.open(0);
        Stream stream = context.newStream();
        DeviceArrays arrays = new DeviceArrays(context, stream);
        NcclComm comm = NcclComm.join(context, 2, rank, "127.0.0.1", Integer.parseInt(arguments[1]))) {
      DevicePtr mine = arrays.upload(F32, new float[]{rank + 1, 10 * (rank + 1), 3, 4});
      DevicePtr four = arrays.allocate(F32, 4);
      DevicePtr two = four.slice(0, 8);
      comm.allReduce(stream, mine, four, 4, NcclType.FLOAT32, NcclOp.MAX);
      expect(arrays, four, 2, 20, 3, 4);
      comm.reduceScatter(stream, mine, two, 2, NcclType.FLOAT32, NcclOp.SUM);
      expect(arrays, two, rank == 0 ? new float[]{3, 30} : new float[]{6, 8});
      comm.allGather(stream, mine.slice(0, 8), four, 2, NcclType.FLOAT32);
      expect(arrays, four, 1, 10, 2, 20);
      comm.broadcast(stream, mine, four, 4, NcclType.FLOAT32, 1);
      expect(arrays, four, 2, 20, 3, 4);
      comm.group(() -> {
        comm.allReduce(stream, mine, mine, 2, NcclType.FLOAT32, NcclOp.AVERAGE);
        comm.broadcast(stream, four, four, 1, NcclType.FLOAT32, 0);
      });
      expect(arrays, mine, 1.5f, 15, 3, 4);
      try (NcclComm alone = comm.split(rank, 0); NcclComm reversed = comm.split(0, -rank)) {
        check(alone.ranks() == 1 && alone.rank() == 0, "split by color");
        check(reversed.ranks() == 2 && reversed.rank() == 1 - rank, "split by key");
      }
      check(comm.asyncError().isEmpty(), "no error behind our back");
    }
    System.out.println("rank " + rank + " done");
  }

  private static void expect(DeviceArrays arrays, DevicePtr memory, float... expected) {
    float[] actual = arrays.download(F32, memory);
    check(Arrays.equals(expected, actual), Arrays.toString(actual) + " instead of " + Arrays.toString(expected));
  }

  private static void check(boolean holds, String what) {
    if (!holds) {
      throw new IllegalStateException(what);
    }
  }
}
