package org.gatun.train.ranks;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Watches that all ranks of a group live and get on. A rank that waits for another in a collective would wait for ever, and so would those
 * that wait for it; therefore each rank keeps one connection to rank 0 and sends a line a second with how far it has come. Rank 0 tells
 * everyone, by name, which rank is gone (its connection has ended), silent (no line) or stuck (no progress while the others wait).
 *
 * <p>The callback runs once, on a thread of the watch, and should end what the rank is waiting for.
 */
public final class RankWatch implements AutoCloseable {
  private static final Duration BEAT = Duration.ofSeconds(1);
  private static final Duration FAREWELL = Duration.ofSeconds(2);

  /** One other process: rank 0 as the others see it, or each other one as rank 0 sees it. */
  private static final class Peer {
    private final Socket socket;
    private final BufferedReader in;
    private final PrintWriter out;
    private int rank;
    private String name = "";
    private Thread listener;
    private volatile long heard = System.nanoTime();
    private volatile long progress;
    private volatile boolean left;

    Peer(Socket socket) throws IOException {
      this.socket = socket;
      socket.setTcpNoDelay(true);
      in = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
      out = new PrintWriter(new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8));
    }

    void send(String line) {
      synchronized (out) {
        out.print(line + "\n");
        out.flush();
      }
    }

    @Override
    public String toString() {
      return "rank " + rank + " (" + name + ")";
    }
  }

  private final World world;
  private final Duration patience;
  private final Consumer<String> onFailure;
  private final ConcurrentHashMap<Integer, Peer> peers = new ConcurrentHashMap<>();
  private final AtomicLong progress = new AtomicLong();

  /** Signs of work that the others do not share in; they count against impatience, not for who is ahead. */
  private final AtomicLong alone = new AtomicLong();
  private final AtomicReference<String> failure = new AtomicReference<>();
  private volatile boolean closed;
  private Thread beat;

  private RankWatch(World world, Duration patience, Consumer<String> onFailure) {
    this.world = world;
    this.patience = patience;
    this.onFailure = onFailure;
  }

  /**
   * Meets all ranks; returns when all are there.
   *
   * @param signature what must be alike on all ranks, such as the configuration; compared by rank 0
   * @param patience how long to wait for the others here, and later for a sign of progress
   * @throws IOException if not all come in time, or one is of another group
   */
  public static RankWatch join(World world, String signature, Duration patience, Consumer<String> onFailure)
      throws IOException {
    var watch = new RankWatch(world, patience, onFailure);
    try {
      if (world.rank() == 0) {
        watch.welcome(signature);
      } else {
        watch.apply(signature);
      }
    } catch (IOException e) {
      watch.close();
      throw e;
    }
    watch.peers.values().forEach(peer -> peer.listener = Thread.ofVirtual().start(() -> watch.listen(peer)));
    watch.beat = Thread.ofPlatform().name("gatun-rank-watch").daemon().start(watch::beat);
    return watch;
  }

  private void welcome(String signature) throws IOException {
    long deadline = System.nanoTime() + patience.toNanos();
    try (var server = new ServerSocket()) {
      server.setReuseAddress(true);
      server.bind(new InetSocketAddress(world.watchPort()));
      while (peers.size() < world.size() - 1) {
        server.setSoTimeout(Math.clamp((deadline - System.nanoTime()) / 1_000_000, 1, Integer.MAX_VALUE));
        admit(server.accept(), signature);
      }
    } catch (SocketTimeoutException e) {
      String missing = missing();
      tellAll("end rank 0 gave up waiting for ranks " + missing);
      throw new IOException("ranks " + missing + " of " + world.size() + " did not come to " + world.host() + ":"
          + world.watchPort() + " within " + patience.toSeconds() + " s; look at their output for the reason", e);
    } catch (BindException e) {
      throw new IOException("port " + world.watchPort() + " of " + world.host() + " is taken (" + e.getMessage()
          + "); give another MASTER_PORT", e);
    }
    tellAll("go");
  }

  private String missing() {
    return IntStream.range(1, world.size())
        .filter(rank -> !peers.containsKey(rank))
        .mapToObj(Integer::toString)
        .collect(Collectors.joining(", "));
  }

  /** Whatever else knocks at the port is sent away without a word. */
  private void admit(Socket socket, String signature) throws IOException {
    socket.setSoTimeout((int) Math.min(patience.toMillis(), 10_000));
    String[] hello;
    Peer peer;
    try {
      peer = new Peer(socket);
      String line = peer.in.readLine();
      hello = line == null ? new String[0] : line.split("\t", -1);
      if (hello.length != 5 || !hello[0].equals("gatun")) {
        socket.close();
        return;
      }
    } catch (IOException e) {
      socket.close();
      return;
    }
    socket.setSoTimeout(0);
    int rank = Integer.parseInt(hello[1]);
    String refusal = refusal(rank, Integer.parseInt(hello[2]), hello[3], signature);
    if (refusal != null) {
      peer.send("end " + refusal);
      tellAll("end " + refusal);
      throw new IOException(refusal);
    }
    peer.rank = rank;
    peer.name = hello[4];
    peer.heard = System.nanoTime();
    peers.put(rank, peer);
  }

  private String refusal(int rank, int size, String theirs, String ours) {
    if (size != world.size()) {
      return "rank " + rank + " believes in " + size + " ranks, rank 0 in " + world.size()
          + "; start all ranks by one launcher";
    }
    if (rank < 1 || rank >= size || peers.containsKey(rank)) {
      return "two processes call themselves rank " + rank + "; start all ranks by one launcher";
    }
    if (!theirs.equals(ours)) {
      return "rank " + rank + " was started with other options, data or another version than rank 0; give all the same";
    }
    return null;
  }

  private void apply(String signature) throws IOException {
    long deadline = System.nanoTime() + patience.toNanos();
    Peer zero = null;
    while (zero == null) {
      var socket = new Socket();
      try {
        socket.connect(new InetSocketAddress(world.host(), world.watchPort()), 5_000);
        zero = new Peer(socket);
      } catch (IOException e) {
        socket.close();
        if (System.nanoTime() > deadline) {
          throw new IOException("rank 0 is not to be met at " + world.host() + ":" + world.watchPort() + " within "
              + patience.toSeconds() + " s (" + e.getMessage() + "); is MASTER_ADDR right, and has rank 0 started?", e);
        }
        sleep(Duration.ofMillis(100));
      }
    }
    zero.name = world.host();
    peers.put(0, zero);
    zero.send(String.join("\t", "gatun", Integer.toString(world.rank()), Integer.toString(world.size()), signature,
        "process " + ProcessHandle.current().pid() + " on " + hostName()));
    String answer = zero.in.readLine();
    if (answer == null || !answer.equals("go")) {
      throw new IOException(
          answer == null ? "rank 0 ended before all ranks had come" : answer.replaceFirst("^end ", ""));
    }
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (IOException e) {
      return "this machine";
    }
  }

  /** Says that this rank gets on; cheap, and to be called at least once a step. */
  public void progress() {
    progress.incrementAndGet();
  }

  /** Says that rank 0 is at work while the others wait for it, as when it evaluates; cheap. */
  public void alone() {
    alone.incrementAndGet();
  }

  /** What ended the group, if anything has. */
  public String failure() {
    return failure.get();
  }

  private void listen(Peer peer) {
    try {
      for (String line = peer.in.readLine(); line != null; line = peer.in.readLine()) {
        peer.heard = System.nanoTime();
        if (line.startsWith("at ")) {
          peer.progress = Long.parseLong(line.substring(3));
        } else if (line.startsWith("end ")) {
          fail(line.substring(4));
        } else if (line.equals("bye")) {
          peer.left = true;
          peer.socket.close();
          return;
        }
      }
    } catch (IOException | NumberFormatException e) {
      // its end, whatever ended it
    }
    if (!closed && !peer.left) {
      fail(peer + " has ended before its time; look at its output for the reason");
    }
  }

  private void beat() {
    long seen = 0;
    long since = System.nanoTime();
    while (!closed && failure.get() == null) {
      sleep(BEAT);
      tellAll("at " + progress.get());
      long sum = alone.get() + progress.get() + peers.values().stream().mapToLong(peer -> peer.progress).sum();
      if (sum != seen) {
        seen = sum;
        since = System.nanoTime();
      }
      check(since);
    }
  }

  /** Silence is for all to notice; that nobody gets on, rank 0 alone can tell. */
  private void check(long progressSince) {
    long now = System.nanoTime();
    for (Peer peer : peers.values()) {
      if (!peer.left && now - peer.heard > patience.toNanos()) {
        fail(peer + " has not been heard of for " + patience.toSeconds() + " s");
        return;
      }
    }
    if (world.rank() == 0 && now - progressSince > patience.toNanos()) {
      fail(stuck());
    }
  }

  /** Those furthest behind are what the others wait for. */
  private String stuck() {
    long least = Math.min(progress.get(),
        peers.values().stream().mapToLong(peer -> peer.progress).min().orElse(Long.MAX_VALUE));
    List<String> behind = new ArrayList<>();
    if (progress.get() == least) {
      behind.add("rank 0");
    }
    peers.values().stream()
        .sorted(Comparator.comparingInt(peer -> peer.rank))
        .filter(peer -> peer.progress == least)
        .forEach(peer -> behind.add(peer.toString()));
    String who = behind.size() == world.size() ? "no rank" : String.join(", ", behind);
    return who + (behind.size() == world.size() ? " gets on" : behind.size() == 1 ? " hangs" : " hang")
        + ": nothing was done for "
        + patience.toSeconds() + " s";
  }

  private void fail(String reason) {
    if (closed || !failure.compareAndSet(null, reason)) {
      return;
    }
    if (world.rank() == 0) {
      tellAll("end " + reason);
    }
    onFailure.accept(reason);
  }

  private void tellAll(String line) {
    peers.values().forEach(peer -> peer.send(line));
  }

  private static void sleep(Duration time) {
    try {
      Thread.sleep(time);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Leaves the group in peace: the others do not take it for a death. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (beat != null) {
      beat.interrupt();
    }
    for (Peer peer : peers.values()) {
      try {
        if (failure.get() == null && peer.listener != null && !peer.left) {
          // Closing at once could throw away what is still on its way, the farewell too.
          peer.send("bye");
          peer.socket.shutdownOutput();
          peer.listener.join(FAREWELL);
        }
        peer.socket.close();
      } catch (IOException e) {
        // it is gone, which is what was wanted
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
