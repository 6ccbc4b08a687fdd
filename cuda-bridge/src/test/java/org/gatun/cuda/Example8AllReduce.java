package org.gatun.cuda;

import static org.gatun.cuda.ElementType.F32;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.gatun.cuda.nccl.NcclComm;
import org.gatun.cuda.nccl.NcclOp;
import org.gatun.cuda.nccl.NcclType;
import org.gatun.cuda.testing.DeviceArrays;
import org.gatun.cuda.testing.EmulatorTest;
import org.gatun.cuda.testing.JavaProcess;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Gradients averaged in place over two processes, each with a GPU of its own. */
@EmulatorTest
class Example8AllReduce {
  private static final int RANKS = 2;
  private static final String PORT = "29531";

  /** One rank: its number is the only argument. All that ranks must agree on is where the first one listens. */
  static final class Rank {
    private Rank() {}

    public static void main(String[] arguments) {
      int rank = Integer.parseInt(arguments[0]);
      try (CudaContext context = CudaContext.open(rank % Cuda.deviceCount());
          Stream stream = context.newStream();
          var arrays = new DeviceArrays(context, stream);
          NcclComm comm = NcclComm.join(context, RANKS, rank, "127.0.0.1", Integer.parseInt(PORT))) {
        DevicePtr gradient = arrays.upload(F32, new float[]{rank, 10 * rank, -4, 0.5f});
        comm.allReduce(stream, gradient, gradient, 4, NcclType.FLOAT32, NcclOp.AVERAGE);
        System.out.println(Arrays.toString(arrays.download(F32, gradient)));
      }
    }
  }

  @Test
  @Timeout(120)
  void averagesOverTwoProcesses() throws IOException, InterruptedException {
    List<Process> ranks = new ArrayList<>();
    for (int rank = 0; rank < RANKS; rank++) {
      ranks.add(JavaProcess.start(Rank.class, Integer.toString(rank)));
    }
    for (Process rank : ranks) {
      String said = new String(rank.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      assertEquals("[0.5, 5.0, -4.0, 0.5]", said);
      assertEquals(0, rank.waitFor());
    }
  }
}
