package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code gatun data download} from a host that has a mishap planned for each request. */
class DownloadTest {
  private static final String FILE = "/datasets/HuggingFaceFW/fineweb/resolve/main/sample/10BT/000_00000.parquet";
  private static final String LISTING = "/api/datasets/HuggingFaceFW/fineweb/tree/main/sample/10BT";

  /** What goes wrong with one request for the file. */
  private enum Fault {
    /** Nothing. */
    NONE,
    /** Half of what is left, then the connection ends. */
    CUT,
    /** Half of what is left, and then nothing. */
    STALL,
    /** Less than the file has, and that is all: a wrong length. */
    SHORT,
    /** As long as the file but with another byte. */
    WRONG,
    /** From the beginning, whatever was asked for. */
    NO_RANGE,
    /** 503. */
    BUSY,
    /** 404. */
    GONE,
    /** Another file from now on, as its tag says. */
    REPLACED
  }

  @TempDir
  Path folder;

  private final List<String> asked = new ArrayList<>();
  private final Deque<Fault> faults = new ArrayDeque<>();
  private byte[] content;
  private String tag = "\"1\"";
  private boolean listsHash = true;
  private HttpServer server;

  @BeforeEach
  void serve() throws IOException {
    content = new byte[300_000];
    new Random(1).nextBytes(content);
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newCachedThreadPool(task -> Thread.ofPlatform().daemon().unstarted(task)));
    server.createContext(LISTING, this::list);
    server.createContext(FILE, this::file);
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private void list(HttpExchange exchange) throws IOException {
    String lfs = listsHash ? ",\"lfs\":{\"oid\":\"" + sha256() + "\",\"size\":300000}" : "";
    byte[] json =
        ("[{\"type\":\"directory\",\"path\":\"sample/10BT/x\"},{\"type\":\"file\",\"path\":\"sample/10BT/000_00000.parquet\",\"size\":"
            + (listsHash ? "300000" : "-1")
            + lfs
            + "}]")
            .getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(200, json.length);
    exchange.getResponseBody().write(json);
    exchange.close();
  }

  private synchronized void file(HttpExchange exchange) throws IOException {
    String range = exchange.getRequestHeaders().getFirst("Range");
    asked.add(range == null ? "all" : range);
    Fault fault = faults.isEmpty() ? Fault.NONE : faults.removeFirst();
    if (fault == Fault.BUSY || fault == Fault.GONE) {
      exchange.sendResponseHeaders(fault == Fault.BUSY ? 503 : 404, -1);
      exchange.close();
      return;
    }
    if (fault == Fault.REPLACED) {
      content[0]++;
      tag = "\"2\"";
    }
    String ifRange = exchange.getRequestHeaders().getFirst("If-Range");
    boolean partly = range != null && fault != Fault.NO_RANGE && (ifRange == null || ifRange.equals(tag));
    int from = partly ? Integer.parseInt(range.replaceAll("bytes=(\\d+)-", "$1")) : 0;
    answer(exchange, fault, from, partly);
  }

  private void answer(HttpExchange exchange, Fault fault, int from, boolean partly) throws IOException {
    if (from >= content.length) {
      exchange.sendResponseHeaders(416, -1);
      exchange.close();
      return;
    }
    int left = content.length - from;
    int sent = fault == Fault.CUT || fault == Fault.STALL || fault == Fault.SHORT ? left / 2 : left;
    byte[] bytes = content.clone();
    bytes[content.length - 1] ^= (byte) (fault == Fault.WRONG ? 1 : 0);
    exchange.getResponseHeaders().set("ETag", tag);
    if (partly) {
      exchange.getResponseHeaders().set("Content-Range",
          "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
    }
    exchange.sendResponseHeaders(partly ? 206 : 200, fault == Fault.SHORT ? sent : left);
    var out = exchange.getResponseBody();
    out.write(bytes, from, sent);
    out.flush();
    if (fault == Fault.STALL) {
      return; // neither more nor an end
    }
    exchange.close();
  }

  private String sha256() {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private Cli download(Fault... planned) {
    faults.addAll(List.of(planned));
    return Cli.run(
        "data", "download", "fineweb-10b", "--output", folder, "--base-url",
        "http://" + server.getAddress().getHostString() + ":" + server.getAddress().getPort(),
        "--retry-seconds", 0.001, "--stall-seconds", 0.3);
  }

  private void assertWhole(Cli cli) throws IOException {
    assertEquals(0, cli.code(), cli.err());
    assertEquals("done files 1 bytes 300000 dir " + folder, cli.lastLine());
    assertArrayEquals(content, Files.readAllBytes(folder.resolve("000_00000.parquet")));
    assertTrue(Files.readString(folder.resolve("checksums.json")).contains(sha256()));
    assertFalse(Files.exists(folder.resolve(".000_00000.parquet.part")));
    assertFalse(Files.exists(folder.resolve(".000_00000.parquet.part.etag")));
  }

  @Test
  void fetchesAFileOnce() throws IOException {
    assertWhole(download());
    assertWhole(download());
    assertEquals(List.of("all"), asked);
  }

  @Test
  void goesOnWithTheRestAfterEveryCut() throws IOException {
    assertWhole(download(Fault.CUT, Fault.CUT, Fault.BUSY, Fault.CUT));
    assertEquals("all", asked.getFirst());
    assertEquals(5, asked.size());
    // A cut connection may lose what was under way, but never all of it.
    assertTrue(asked.subList(1, 5).stream().anyMatch(range -> range.startsWith("bytes=")), asked.toString());
  }

  @Test
  void givesAConnectionUpThatStalls() throws IOException {
    assertWhole(download(Fault.STALL));
    assertEquals(List.of("all", "bytes=150000-"), asked);
  }

  @Test
  void asksAgainWhereTheLengthIsWrong() throws IOException {
    assertWhole(download(Fault.SHORT));
    assertEquals(List.of("all", "bytes=150000-"), asked);
  }

  @Test
  void beginsAgainWhereTheHashIsWrong() throws IOException {
    assertWhole(download(Fault.WRONG, Fault.NONE));
    assertEquals(List.of("all", "all"), asked);
  }

  @Test
  void beginsAgainWhereTheHostKnowsNoRanges() throws IOException {
    assertWhole(download(Fault.SHORT, Fault.NO_RANGE));
    assertEquals(List.of("all", "bytes=150000-"), asked);
  }

  @Test
  void theRestOfAnotherFileDoesNotFollow() throws IOException {
    listsHash = false;
    assertWhole(download(Fault.CUT, Fault.REPLACED));
  }

  @Test
  void whereNoHashIsPublishedTheFirstOneCounts() throws IOException {
    listsHash = false;
    assertWhole(download());
    Path file = folder.resolve("000_00000.parquet");
    Files.write(file, new byte[]{1});
    Cli cli = download();
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("000_00000.parquet is there already but has SHA-256"), cli.err());
  }

  @Test
  void whatIsNotThereIsNotAskedForAgain() {
    Cli cli = download(Fault.GONE);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("the host answers 404"), cli.err());
    assertEquals(1, cli.err().lines().count(), cli.err());
    assertEquals(List.of("all"), asked);
  }

  @Test
  void givesUpAtLastAndKeepsWhatItHas() throws IOException {
    Fault[] busy = new Fault[8];
    java.util.Arrays.fill(busy, Fault.BUSY);
    busy[0] = Fault.SHORT;
    Cli cli = download(busy);
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("the host answers 503, 8 times; run the same command again"), cli.err());
    assertEquals(150_000, Files.size(folder.resolve(".000_00000.parquet.part")));
    assertWhole(download());
    assertEquals("bytes=150000-", asked.getLast());
  }

  @Test
  void wrongNamesAndHostsAreWrongUse() {
    Cli name = Cli.run("data", "download", "openwebtexd", "--output", folder);
    assertEquals(2, name.code());
    assertTrue(name.err().contains("did you mean openwebtext?"), name.err());
    Cli url = Cli.run("data", "download", "openwebtext", "--output", folder, "--base-url", "ftp://x");
    assertEquals(2, url.code());
    assertTrue(url.err().contains("--base-url ftp://x: must begin with"), url.err());
  }
}
