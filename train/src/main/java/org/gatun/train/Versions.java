package org.gatun.train;

import java.util.Map;
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
        System.getProperty("os.name") + " " + System.getProperty("os.arch"));
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
