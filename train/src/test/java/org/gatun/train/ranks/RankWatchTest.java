package org.gatun.train.ranks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Ranks are threads here; to a watch, which knows only connections, they are processes. */
class RankWatchTest {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Duration IMPATIENT = Duration.ofSeconds(3);

  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  @AfterEach
  void end() {
    threads.shutdownNow();
  }

  private static int port() throws IOException {
    try (var probe = new ServerSocket(0)) {
      return Math.min(probe.getLocalPort(), 65_000);
    }
  }

  private static World world(int rank, int size, int port) {
    return new World(rank, size, rank, "127.0.0.1", port);
  }

  /** All ranks of a group, and what each is told when it ends. */
  private record Group(List<RankWatch> watches, List<CompletableFuture<String>> reasons) {
    String reason(int rank) throws Exception {
      return reasons.get(rank).get(20, TimeUnit.SECONDS);
    }
  }

  private Group group(int size, Duration patience) throws Exception {
    int port = port();
    var reasons = new ArrayList<CompletableFuture<String>>();
    var joining = new ArrayList<Future<RankWatch>>();
    for (int rank = 0; rank < size; rank++) {
      var reason = new CompletableFuture<String>();
      reasons.add(reason);
      World world = world(rank, size, port);
      Callable<RankWatch> join = () -> RankWatch.join(world, "same", patience, reason::complete);
      joining.add(threads.submit(join));
    }
    var watches = new ArrayList<RankWatch>();
    for (Future<RankWatch> each : joining) {
      watches.add(each.get());
    }
    return new Group(watches, reasons);
  }

  @Test
  void ranksThatPartInPeaceEndNobody() throws Exception {
    Group group = group(3, SOON);
    for (int rank : new int[]{1, 0, 2}) {
      group.watches.get(rank).close();
    }
    for (RankWatch watch : group.watches) {
      assertNull(watch.failure());
    }
  }

  @Test
  void aProcessThatDiesIsNamedToAllOthers() throws Exception {
    int port = port();
    var told = List.of(new CompletableFuture<String>(), new CompletableFuture<String>());
    Future<RankWatch> zero =
        threads.submit(() -> RankWatch.join(world(0, 3, port), "same", SOON, told.get(0)::complete));
    Future<RankWatch> one =
        threads.submit(() -> RankWatch.join(world(1, 3, port), "same", SOON, told.get(1)::complete));
    try (Socket dying = connect(port + 1)) {
      dying.getOutputStream().write("gatun\t2\t3\tsame\tprocess 77 on far\n".getBytes(StandardCharsets.UTF_8));
      zero.get();
      one.get();
    }
    for (CompletableFuture<String> reason : told) {
      assertEquals("rank 2 (process 77 on far) has ended before its time; look at its output for the reason",
          reason.get(20, TimeUnit.SECONDS));
    }
    zero.get().close();
    one.get().close();
  }

  private static Socket connect(int port) throws Exception {
    for (;;) {
      try {
        return new Socket("127.0.0.1", port);
      } catch (IOException e) {
        Thread.sleep(20);
      }
    }
  }

  @Test
  void whatRankZeroDoesAloneIsWorkToo() throws Exception {
    Group group = group(2, IMPATIENT);
    for (int i = 0; i < 10; i++) { // longer than the patience, in steps much shorter than it
      Thread.sleep(IMPATIENT.dividedBy(6));
      assertNull(group.watches.get(0).failure());
      group.watches.get(0).alone();
    }
    group.watches.get(1).progress(); // one step ahead of rank 0, whose work alone made it no step further
    assertTrue(group.reason(1).startsWith("rank 0 hangs"), group.reason(1));
    group.watches.forEach(RankWatch::close);
  }

  @Test
  void theRankFurthestBehindIsTheOneThatHangs() throws Exception {
    Group group = group(3, IMPATIENT);
    group.watches.get(0).progress();
    group.watches.get(2).progress();
    for (int rank = 0; rank < 3; rank++) {
      assertTrue(group.reason(rank).matches("rank 1 \\(process \\d+ on .+\\) hangs: nothing was done for 3 s"),
          group.reason(rank));
    }
    group.watches.forEach(RankWatch::close);
  }

  @Test
  void whoeverMissesTheMeetingIsNamed() throws Exception {
    int port = port();
    var failure = assertThrows(IOException.class,
        () -> RankWatch.join(world(0, 3, port), "same", Duration.ofMillis(300), _ -> {}));
    assertTrue(failure.getMessage().startsWith("ranks 1, 2 of 3 did not come to 127.0.0.1:" + (port + 1)),
        failure::getMessage);
    failure = assertThrows(IOException.class,
        () -> RankWatch.join(world(1, 3, port), "same", Duration.ofMillis(300), _ -> {}));
    assertTrue(failure.getMessage().startsWith("rank 0 is not to be met at 127.0.0.1:" + (port + 1)),
        failure::getMessage);
  }

  @Test
  void ranksOfDifferentOptionsDoNotTrainTogether() throws Exception {
    int port = port();
    Future<RankWatch> zero = threads.submit(() -> RankWatch.join(world(0, 2, port), "--lr 1", SOON, _ -> {}));
    Future<RankWatch> one = threads.submit(() -> RankWatch.join(world(1, 2, port), "--lr 2", SOON, _ -> {}));
    for (Future<RankWatch> each : List.of(zero, one)) {
      String message = assertThrows(ExecutionException.class, each::get).getCause().getMessage();
      assertEquals(
          "rank 1 was started with other options, data or another version than rank 0; give all the same", message);
    }
  }

  @Test
  void strangersAtThePortAreSentAway() throws Exception {
    int port = port();
    Future<RankWatch> zero = threads.submit(() -> RankWatch.join(world(0, 2, port), "same", SOON, _ -> {}));
    try (Socket stranger = connect(port + 1)) {
      stranger.getOutputStream().write("GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.UTF_8));
      assertEquals(-1, stranger.getInputStream().read());
    } catch (java.net.SocketException e) {
      // sent away before all was said
    }
    try (RankWatch one = RankWatch.join(world(1, 2, port), "same", SOON, _ -> {}); RankWatch first = zero.get()) {
      assertNull(one.failure());
      assertNull(first.failure());
    }
  }
}
