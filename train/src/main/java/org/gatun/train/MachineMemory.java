package org.gatun.train;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How much memory this process may still take: what the system has available, what its control group
 * allows (containers), and less what the heap of Java may grow by.
 */
final class MachineMemory {
  private static final Pattern AVAILABLE = Pattern.compile("(?m)^MemAvailable:\\s+(\\d+) kB");

  /** A control group's limit and use, for its versions 2 and 1. */
  private static final List<List<String>> GROUPS =
      List.of(
          List.of("memory.max", "memory.current", "memory.stat", "inactive_file"),
          List.of(
              "memory/memory.limit_in_bytes",
              "memory/memory.usage_in_bytes",
              "memory/memory.stat",
              "total_inactive_file"));

  /** What the trainer itself needs of the heap beyond what it has at the start. */
  private static final long HEAP = 256L << 20;

  private final Path root;

  /** Of the machine this runs on. */
  MachineMemory() {
    this(Path.of("/"));
  }

  /** As the files below another root describe it. */
  MachineMemory(Path root) {
    this.root = root;
  }

  /** Bytes; on systems other than Linux, what Java takes to be free. */
  long available() {
    long available = Math.min(ofSystem(), ofGroup());
    return Math.max(0, available - HEAP);
  }

  private long ofSystem() {
    Matcher matcher = AVAILABLE.matcher(text("proc/meminfo"));
    if (matcher.find()) {
      return Long.parseLong(matcher.group(1)) * 1024;
    }
    return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getFreeMemorySize()
        : Long.MAX_VALUE;
  }

  /** The cache of files that nobody uses counts as free, as it does for the system. */
  private long ofGroup() {
    long least = Long.MAX_VALUE;
    for (List<String> group : GROUPS) {
      String limit = text("sys/fs/cgroup/" + group.get(0)).strip();
      String used = text("sys/fs/cgroup/" + group.get(1)).strip();
      if (limit.matches("\\d{1,18}") && used.matches("\\d{1,18}")) {
        Matcher cache =
            Pattern.compile("(?m)^" + group.get(3) + " (\\d{1,18})").matcher(text("sys/fs/cgroup/" + group.get(2)));
        long reclaimable = cache.find() ? Long.parseLong(cache.group(1)) : 0;
        least = Math.min(least, Long.parseLong(limit) - Long.parseLong(used) + reclaimable);
      }
    }
    return Math.max(0, least);
  }

  /** Empty where the file is not there. */
  private String text(String file) {
    try {
      Path path = root.resolve(file);
      return Files.isReadable(path) ? Files.readString(path) : "";
    } catch (IOException e) {
      return "";
    }
  }
}
