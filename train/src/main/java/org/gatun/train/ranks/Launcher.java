package org.gatun.train.ranks;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.ProcessBuilder.Redirect;
import java.lang.management.ManagementFactory;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;

/**
 * Starts one process a rank on this machine, and ends them together. Rank 0 has the terminal; the others' lines on standard error appear
 * with their rank in front.
 */
public final class Launcher {
  /** How long ranks have to end by themselves once one has failed: they are told by {@link RankWatch}. */
  private static final long GRACE_SECONDS = 20;

  /** From here on up, and below what systems give to outgoing connections. */
  private static final int FIRST_PORT = 29_500;
  private static final int LAST_PORT = 32_000;

  private final List<String> command;
  private final PrintStream err;

  /** Runs {@code arguments} with the Java, options and modules of this process. */
  public static Launcher ofThisProgram(String mainClass, List<String> arguments, PrintStream err) {
    var command = new ArrayList<String>();
    command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option -> !option.startsWith("--module-path") && !option.startsWith("-agentlib"))
        .forEach(command::add);
    String modules = System.getProperty("jdk.module.path");
    if (modules != null) {
      command.addAll(List.of("--module-path", modules, "-m", "org.gatun.train/" + mainClass));
    } else {
      command.addAll(List.of("-cp", System.getProperty("java.class.path"), mainClass));
    }
    command.addAll(arguments);
    return new Launcher(command, err);
  }

  /** Runs this command once a rank; what goes wrong is told on {@code err}. */
  Launcher(List<String> command, PrintStream err) {
    this.command = List.copyOf(command);
    this.err = err;
  }

  /**
   * Runs {@code size} ranks and waits for all. The exit code is that of the first rank that failed, which is named, else 0. If this process is
   * told to end, the ranks are told too, and waited for.
   */
  public int run(int size) throws IOException {
    int port = freePort();
    var processes = new ArrayList<Process>();
    var done = new CountDownLatch(1);
    var hook = new Thread(() -> endWith(processes, done), "gatun-launcher-stop");
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      for (int rank = 0; rank < size; rank++) {
        processes.add(start(new World(rank, size, rank, "127.0.0.1", port)));
      }
      return await(processes);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return 1;
    } catch (ExecutionException e) {
      throw new IllegalStateException("waiting for the ranks failed", e);
    } finally {
      processes.forEach(Process::destroyForcibly);
      done.countDown();
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // the end has come already, and the hook finds everything done
      }
    }
  }

  /** The signal of a terminal reaches the ranks by itself; one sent to this process alone does not. */
  private static void endWith(List<Process> processes, CountDownLatch done) {
    processes.forEach(Process::destroy);
    try {
      done.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private Process start(World world) throws IOException {
    var builder = new ProcessBuilder(command).redirectInput(Redirect.INHERIT);
    builder.environment().putAll(world.environment());
    if (world.rank() == 0) {
      return builder.inheritIO().start();
    }
    Process process = builder.redirectOutput(Redirect.DISCARD).start();
    Thread.ofPlatform().daemon().start(() -> pass(world.rank(), process.getErrorStream()));
    return process;
  }

  private void pass(int rank, InputStream lines) {
    try (var reader = new BufferedReader(new InputStreamReader(lines, StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (!line.startsWith("WARNING: Using incubator modules")) {
          err.println("rank " + rank + ": " + line);
        }
      }
    } catch (IOException e) {
      // the process has ended
    }
  }

  private int await(List<Process> processes) throws InterruptedException, ExecutionException {
    var failed = new CompletableFuture<Integer>();
    var ended = CompletableFuture.allOf(IntStream.range(0, processes.size())
        .mapToObj(rank -> processes.get(rank).onExit().thenAccept(process -> {
          if (process.exitValue() != 0) {
            failed.complete(rank);
          }
        }))
        .toArray(CompletableFuture<?>[]::new));
    CompletableFuture.anyOf(failed, ended).join();
    if (!failed.isDone()) {
      return 0;
    }
    int rank = failed.join();
    int code = processes.get(rank).exitValue();
    try {
      ended.get(GRACE_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      err.println("gatun: the other ranks did not end within " + GRACE_SECONDS + " s and were killed");
    }
    // Codes above 128 are those of signals; 130 is a wish, not a fault.
    if (code != 130 && code != 143) {
      err.println("gatun: rank " + rank + " (process " + processes.get(rank).pid() + ") ended with exit code " + code
          + (processes.size() > 1 ? "; the others were ended too" : ""));
    }
    return code;
  }

  /** A port that is free now, with the two after it. */
  private static int freePort() throws IOException {
    int start = FIRST_PORT + (int) (ProcessHandle.current().pid() % (LAST_PORT - FIRST_PORT));
    for (int i = 0; i < LAST_PORT - FIRST_PORT; i += 3) {
      int port = FIRST_PORT + (start - FIRST_PORT + i) % (LAST_PORT - FIRST_PORT);
      if (isFree(port) && isFree(port + 1) && isFree(port + 2)) {
        return port;
      }
    }
    throw new IOException("no three free ports in a row between " + FIRST_PORT + " and " + LAST_PORT
        + " for the ranks to meet at");
  }

  private static boolean isFree(int port) {
    try (var probe = new ServerSocket(port)) {
      return probe.isBound();
    } catch (IOException e) {
      return false;
    }
  }
}
