package org.gatun.train.data;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.gatun.io.AtomicFile;

/**
 * Fetches files over HTTP. What has arrived of a file stays, under a hidden name, when the connection is cut or the
 * process ends, and the next attempt asks for the rest of it; a file has its own name when it is whole.
 */
public final class Download implements AutoCloseable {
  private static final int ATTEMPTS = 8;
  private static final int OK = 200;
  private static final int PARTIAL = 206;
  private static final int RANGE_NOT_SATISFIABLE = 416;
  private static final int TOO_MANY_REQUESTS = 429;

  private final HttpClient client;
  private final Duration firstPause;
  private final Duration stall;

  /** A failure that may be gone a moment later. */
  private static final class Transient extends IOException {
    private static final long serialVersionUID = 1;

    Transient(String problem) {
      super(problem);
    }
  }

  /**
   * What to fetch.
   *
   * @param bytes its length; -1 if that is not known
   * @param sha256 in hexadecimal; null if that is not known
   */
  public record Item(URI from, String name, long bytes, String sha256) {}

  /** Pauses twice as long after each failure; gives a connection up that has brought nothing for {@code stall}. */
  public Download(Duration firstPause, Duration stall) {
    this.firstPause = firstPause;
    this.stall = stall;
    this.client =
        HttpClient.newBuilder().connectTimeout(stall).followRedirects(HttpClient.Redirect.NORMAL).build();
  }

  /**
   * Fetches an item into a folder, unless it is there already; {@code progress} is told how much of it is.
   *
   * @return its SHA-256
   * @throws IOException if the host says that it is not to be had, if it is not what was expected, or after several
   *     failures that look as if they would pass
   */
  public String fetch(Item item, Path folder, LongConsumer progress) throws IOException {
    Path target = folder.resolve(item.name());
    if (Files.exists(target)) {
      String found = Sha256.of(target);
      requireSame(item, target, found);
      return found;
    }
    Path part = folder.resolve("." + item.name() + ".part");
    for (int attempt = 1;; attempt++) {
      try {
        transfer(item, part, progress);
        String sha256 = Sha256.of(part);
        requireWhole(item, part, sha256);
        AtomicFile.rename(part, target);
        Files.deleteIfExists(tag(part));
        return sha256;
      } catch (Transient e) {
        if (attempt == ATTEMPTS) {
          throw new IOException(
              "%s: %s, %d times; run the same command again to go on with the rest"
                  .formatted(item.from(), e.getMessage(), ATTEMPTS),
              e);
        }
        pause(attempt);
      }
    }
  }

  /** A text that is small. */
  public String text(URI from) throws IOException {
    for (int attempt = 1;; attempt++) {
      try {
        var response = send(HttpRequest.newBuilder(from).timeout(stall).build(), HttpResponse.BodyHandlers.ofString());
        requireGood(from, response.statusCode());
        return response.body();
      } catch (Transient e) {
        if (attempt == ATTEMPTS) {
          throw new IOException(from + ": " + e.getMessage() + ", " + ATTEMPTS + " times; try again later", e);
        }
        pause(attempt);
      }
    }
  }

  private static void requireSame(Item item, Path target, String found) throws IOException {
    if (item.sha256() != null && !item.sha256().equals(found)) {
      throw new IOException(
          "%s is there already but has SHA-256 %s, expected %s; delete it and download again"
              .formatted(target, found, item.sha256()));
    }
  }

  private static void requireWhole(Item item, Path part, String sha256) throws IOException {
    long bytes = Files.size(part);
    if (item.bytes() >= 0 && bytes < item.bytes()) {
      throw new Transient(bytes + " of " + item.bytes() + " bytes came");
    }
    if (item.bytes() >= 0 && bytes > item.bytes() || item.sha256() != null && !item.sha256().equals(sha256)) {
      discard(part);
      throw new Transient(
          "%d bytes of SHA-256 %s came, expected %s of %s"
              .formatted(bytes, sha256, item.bytes() < 0 ? "a file" : item.bytes() + " bytes", item.sha256()));
    }
  }

  private static void discard(Path part) throws IOException {
    Files.deleteIfExists(part);
    Files.deleteIfExists(tag(part));
  }

  /** Where the name is kept that the host gave to this version of the file: the rest of another must not follow it. */
  private static Path tag(Path part) {
    return part.resolveSibling(part.getFileName() + ".etag");
  }

  private void transfer(Item item, Path part, LongConsumer progress) throws IOException {
    long have = Files.exists(part) ? Files.size(part) : 0;
    if (item.bytes() >= 0 && have >= item.bytes()) {
      return;
    }
    var request = HttpRequest.newBuilder(item.from()).timeout(stall);
    if (have > 0) {
      request.header("Range", "bytes=" + have + "-");
      if (Files.exists(tag(part))) {
        request.header("If-Range", Files.readString(tag(part)));
      }
    }
    HttpResponse<InputStream> response = send(request.build(), HttpResponse.BodyHandlers.ofInputStream());
    try (InputStream body = response.body()) {
      if (response.statusCode() == RANGE_NOT_SATISFIABLE) {
        discard(part);
        throw new Transient("the host has no more than the " + have + " bytes that are here");
      }
      requireGood(item.from(), response.statusCode());
      boolean goesOn = response.statusCode() == PARTIAL && startsAt(response, have);
      String tag = response.headers().firstValue("ETag").orElse(null);
      if (tag != null && !tag.startsWith("W/")) {
        Files.writeString(tag(part), tag);
      }
      long expected = response.headers().firstValueAsLong("Content-Length").orElse(-1);
      save(body, part, goesOn ? have : 0, expected, progress);
    }
  }

  private static boolean startsAt(HttpResponse<?> response, long have) throws IOException {
    String range = response.headers().firstValue("Content-Range").orElse("");
    if (!range.startsWith("bytes " + have + "-")) {
      throw new IOException(response.uri() + " was asked to go on at byte " + have + " but sends \"" + range + "\"");
    }
    return true;
  }

  private void save(InputStream body, Path part, long from, long expected, LongConsumer progress) throws IOException {
    var arrived = new AtomicLong(from);
    var watch = new Timer("gatun-download-watch", true);
    try (var out = FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      out.truncate(from);
      out.position(from);
      watch.schedule(closing(body, arrived), stall.toMillis(), stall.toMillis());
      var buffer = new byte[1 << 16];
      while (true) {
        int count;
        try {
          count = body.read(buffer);
        } catch (IOException e) {
          throw new Transient("the connection was cut after " + arrived.get() + " bytes");
        }
        if (count < 0) {
          break;
        }
        write(out, buffer, count);
        progress.accept(arrived.addAndGet(count));
      }
      out.force(true);
    } finally {
      watch.cancel();
    }
    if (expected >= 0 && arrived.get() - from != expected) {
      throw new Transient((arrived.get() - from) + " of " + expected + " bytes came");
    }
  }

  private static void write(FileChannel out, byte[] buffer, int count) throws IOException {
    var bytes = ByteBuffer.wrap(buffer, 0, count);
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
  }

  /** Closes a stream that has stopped moving: reading it would wait for ever. */
  private static TimerTask closing(InputStream body, AtomicLong arrived) {
    return new TimerTask() {
      private long before = -1;

      @Override
      public void run() {
        if (arrived.get() == before) {
          try {
            body.close();
          } catch (IOException e) {
            cancel(); // the reader finds out by itself
          }
        }
        before = arrived.get();
      }
    };
  }

  private <T> HttpResponse<T> send(HttpRequest request, HttpResponse.BodyHandler<T> handler) throws IOException {
    try {
      return client.send(request, handler);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while downloading " + request.uri(), e);
    } catch (IOException e) {
      throw new Transient(
          "no answer (" + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage()) + ")");
    }
  }

  private static void requireGood(URI from, int status) throws IOException {
    if (status == OK || status == PARTIAL) {
      return;
    }
    if (status >= 500 || status == TOO_MANY_REQUESTS) {
      throw new Transient("the host answers " + status);
    }
    throw new IOException(
        from + ": the host answers " + status + ", so it is not to be had there; give another host with --base-url");
  }

  private void pause(int attempt) throws IOException {
    try {
      Thread.sleep(firstPause.multipliedBy(1L << (attempt - 1)));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while waiting to try again", e);
    }
  }

  @Override
  public void close() {
    client.shutdownNow();
  }
}
