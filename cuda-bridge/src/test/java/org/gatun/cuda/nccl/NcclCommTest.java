package org.gatun.cuda.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.gatun.cuda.CudaContext;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.DeviceBlock;
import org.gatun.cuda.DevicePtr;
import org.gatun.cuda.Stream;
import org.gatun.cuda.testing.EmulatorTest;
import org.gatun.cuda.testing.JavaProcess;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@EmulatorTest
@Timeout(120)
class NcclCommTest {
  @Test
  void collectivesOfTwoProcesses() throws IOException, InterruptedException {
    Process first = JavaProcess.start(CollectivesProgram.class, "0", "29521");
    Process second = JavaProcess.start(CollectivesProgram.class, "1", "29521");
    assertEquals("rank 0 done", said(first));
    assertEquals("rank 1 done", said(second));
  }

  @Test
  void saysWhoIsMissingAfterItsPatience() {
    try (CudaContext context = CudaContext.open(0)) {
      var refused = assertThrows(CudaException.class,
          () -> NcclComm.join(context, 2, 0, "127.0.0.1", 29_522, Duration.ofMillis(300)));
      assertEquals(8, refused.status());
      assertTrue(refused.getMessage().startsWith("ncclCommInitRank(2 ranks, rank 0, rank 0 at 127.0.0.1:29522) failed: "
          + "ncclTimeout (8), not all ranks came in 300 milliseconds"), refused.getMessage());
    }
  }

  @Test
  void refusesMessagesThatDoNotFitAndRanksThatAreNone() {
    try (CudaContext context = CudaContext.open(0);
        Stream stream = context.newStream();
        DeviceBlock block = context.allocate(64);
        NcclComm alone = NcclComm.join(context, 1, 0, "127.0.0.1", 29_523)) {
      DevicePtr memory = block.pointer();
      assertThrows(IllegalArgumentException.class,
          () -> alone.allReduce(stream, memory, memory, 17, NcclType.FLOAT32, NcclOp.SUM));
      assertThrows(IllegalArgumentException.class,
          () -> alone.broadcast(stream, memory, memory, 16, NcclType.FLOAT32, 1));
      assertThrows(IllegalArgumentException.class, () -> alone.split(-1, 0));
      assertThrows(IllegalArgumentException.class, () -> NcclComm.join(context, 2, 2, "127.0.0.1", 29_523));
    }
  }

  @Test
  void anyThreadMayGiveUp() throws InterruptedException {
    try (CudaContext context = CudaContext.open(0);
        Stream stream = context.newStream();
        DeviceBlock block = context.allocate(64);
        NcclComm alone = NcclComm.join(context, 1, 0, "127.0.0.1", 29_524)) {
      DevicePtr memory = block.pointer();
      Thread watcher = Thread.ofPlatform().start(alone::abort);
      watcher.join();
      var refused = assertThrows(IllegalStateException.class,
          () -> alone.allReduce(stream, memory, memory, 16, NcclType.FLOAT32, NcclOp.SUM));
      assertTrue(refused.getMessage().startsWith("rank 0 of 1 has given up"), refused.getMessage());
    }
  }

  @Test
  void refusesCallsAfterItIsClosed() {
    try (CudaContext context = CudaContext.open(0)) {
      NcclComm alone = NcclComm.join(context, 1, 0, "127.0.0.1", 29_525);
      alone.close();
      assertThrows(IllegalStateException.class, alone::asyncError);
    }
  }

  private static String said(Process process) throws IOException, InterruptedException {
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertEquals(0, process.waitFor(), text);
    return text;
  }
}
