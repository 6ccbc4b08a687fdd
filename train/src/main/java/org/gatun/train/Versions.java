package org.gatun.train;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import picocli.CommandLine.IVersionProvider;

/** What is running: this program and what it runs on. */
final class Versions implements IVersionProvider {
  /** The version of the jar; "development" when it runs from classes. */
  static String gatun() {
    var descriptor = Versions.class.getModule().getDescriptor();
    return descriptor == null ? "development" : descriptor.rawVersion().orElse("development");
  }

  /** As {@code state.json} keeps them. */
  static Map<String, String> all() {
    return Map.of(
        "gatun",
        gatun(),
        "java",
        Runtime.version().toString(),
        "os",
        System.getProperty("os.name") + " " + System.getProperty("os.arch"),
        "processor",
        processor());
  }

  /** The processor's name as the system knows it. */
  private static String processor() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.replaceFirst("[^:]*:\\s*", ""))
          .findFirst()
          .orElse(System.getProperty("os.arch"));
    } catch (IOException | UncheckedIOException e) {
      String name = System.getenv("PROCESSOR_IDENTIFIER"); // Windows
      return name == null ? System.getProperty("os.arch") : name;
    }
  }

  @Override
  public String[] getVersion() {
    return new String[]{
      "gatun " + gatun(),
      "Java " + Runtime.version() + " (" + System.getProperty("java.vm.name") + ")",
      System.getProperty("os.name") + " " + System.getProperty("os.arch")
    };
  }
}
