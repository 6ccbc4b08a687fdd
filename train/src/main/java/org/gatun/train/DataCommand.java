package org.gatun.train;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;
import org.gatun.train.data.Download;
import org.gatun.train.data.PublicData;
import org.gatun.train.data.Verification;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code gatun data}: looks at token data, checks it, and fetches well-known texts. */
@Command(name = "data", mixinStandardHelpOptions = true, sortOptions = false, versionProvider = Versions.class, description = "Look at token data, check it, or download well-known texts.", subcommands = {
  DataCommand.Inspect.class,
  DataCommand.Verify.class,
  DataCommand.Fetch.class
})
final class DataCommand implements Callable<Integer> {
  @Override
  public Integer call() {
    throw new WrongUse("data: say what to do: inspect, verify or download");
  }

  /** {@code gatun data inspect}. */
  @Command(name = "inspect", mixinStandardHelpOptions = true, showDefaultValues = true, versionProvider = Versions.class, description = "Show counts, the first documents as text, and how long documents are.")
  static final class Inspect implements Callable<Integer> {
    @Parameters(paramLabel = "FILE|DIR", description = "A file of tokens, or a folder of such.")
    Path path;

    @Option(names = "--documents", paramLabel = "N", defaultValue = "3", description = "Documents to show.")
    int documents;

    @Override
    public Integer call() throws IOException {
      WrongUse.unlessAtLeast("--documents", 0, documents);
      DataReport.print(path, documents, System.out);
      return 0;
    }
  }

  /** {@code gatun data verify}. */
  @Command(name = "verify", mixinStandardHelpOptions = true, versionProvider = Versions.class, description = "Compare every file with the hash that the manifest has of it.")
  static final class Verify implements Callable<Integer> {
    @Parameters(paramLabel = "DIR", description = "A folder that gatun prepare has made.")
    Path folder;

    @Override
    public Integer call() throws IOException {
      try (var status = new StatusLine(System.out)) {
        int files = Verification.of(folder, name -> status.show(() -> "reading " + name));
        status.line("done files " + files + " all as in the manifest");
      }
      return 0;
    }
  }

  /** {@code gatun data download}. */
  @Command(name = "download", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class, description = {
    "Download a well-known text: tiny-shakespeare (1.1 MB), openwebtext (24 GB) or fineweb-10b (31 GB).",
    "Goes on with the rest after an interruption; files are checked by length and SHA-256 where these are"
        + " published, and checksums.json keeps the hashes."
  })
  static final class Fetch implements Callable<Integer> {
    private static final String CHECKSUMS = "checksums.json";

    @Parameters(paramLabel = "NAME", description = "tiny-shakespeare, openwebtext or fineweb-10b.")
    String name;

    @Option(names = "--output", paramLabel = "DIR", required = true, description = "The folder for the files.")
    Path output;

    @Option(names = "--files", paramLabel = "N", description = "Only the first N files. Not given: all.")
    Integer files;

    @Option(names = "--base-url", paramLabel = "URL", description = "Host, and perhaps path, of a mirror. Not given: where the text is published.")
    URI baseUrl;

    @Option(names = "--retry-seconds", paramLabel = "F", defaultValue = "1", description = "Pause after the first failure; each further one is twice as long, seven at most.")
    double retrySeconds;

    @Option(names = "--stall-seconds", paramLabel = "F", defaultValue = "60", description = "A connection that brings nothing for so long is given up and made anew.")
    double stallSeconds;

    @Override
    public Integer call() throws IOException {
      WrongUse.unlessWithin("--retry-seconds", 0.001, 3600, retrySeconds);
      WrongUse.unlessWithin("--stall-seconds", 0.1, 3600, stallSeconds);
      if (files != null) {
        WrongUse.unlessAtLeast("--files", 1, files);
      }
      PublicData data = named();
      Files.createDirectories(output);
      try (var download = new Download(seconds(retrySeconds), seconds(stallSeconds));
          var status = new StatusLine(System.out)) {
        List<Download.Item> items = data.items(download, baseUrl == null ? URI.create(data.host()) : http());
        if (files != null && files < items.size()) {
          items = items.subList(0, files);
        }
        fetch(items, download, status);
      }
      return 0;
    }

    private static Duration seconds(double seconds) {
      return Duration.ofMillis(Math.round(seconds * 1000));
    }

    private URI http() {
      if (!List.of("http", "https").contains(String.valueOf(baseUrl.getScheme())) || baseUrl.getHost() == null) {
        throw new WrongUse("--base-url " + baseUrl + ": must begin with https:// or http:// and a host");
      }
      return baseUrl;
    }

    private PublicData named() {
      List<String> names = Stream.of(PublicData.values()).map(PublicData::toString).toList();
      if (!names.contains(name)) {
        throw new WrongUse("download " + name + ": did you mean " + Nearest.to(name, names) + "?");
      }
      return PublicData.values()[names.indexOf(name)];
    }

    private void fetch(List<Download.Item> items, Download download, StatusLine status) throws IOException {
      Map<String, Object> checksums = checksums();
      long all = items.stream().mapToLong(item -> Math.max(0, item.bytes())).sum();
      long before = 0;
      for (Download.Item item : items) {
        long fetched = before;
        Download.Item known = item.sha256() == null ? withRecorded(item, checksums) : item;
        String sha256 =
            download.fetch(known, output,
                bytes -> status.show(() -> progress(item.name(), fetched + bytes, all, status)));
        checksums.put(item.name(), sha256);
        AtomicFile.write(output.resolve(CHECKSUMS), Json.text(checksums));
        before += Files.size(output.resolve(item.name()));
      }
      status.line("done files " + items.size() + " bytes " + before + " dir " + output);
    }

    private Map<String, Object> checksums() throws IOException {
      Path file = output.resolve(CHECKSUMS);
      return Files.exists(file) ? new TreeMap<>(Json.read(file)) : new TreeMap<>();
    }

    /** Where no hash is published, the first download's is what later ones must have. */
    private static Download.Item withRecorded(Download.Item item, Map<String, Object> checksums) {
      return checksums.get(item.name()) instanceof String sha256
          ? new Download.Item(item.from(), item.name(), item.bytes(), sha256)
          : item;
    }

    private static String progress(String name, long bytes, long all, StatusLine status) {
      return String.format(
          Locale.ROOT,
          "%s  %,d of %,d MB  %.1f MB/s  %s",
          name,
          bytes / 1_000_000,
          all / 1_000_000,
          bytes / 1e6 / status.seconds(),
          status.remaining(bytes, all));
    }
  }
}
