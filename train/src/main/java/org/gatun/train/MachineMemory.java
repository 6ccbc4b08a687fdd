package org.gatun.train;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How much memory this process may still take: what the system has available, what its control group
 * allows (containers), and less what the heap of Java may grow by.
 */
final class MachineMemory {
  private static final Pattern AVAILABLE = Pattern.compile("(?m)^MemAvailable:\\s+(\\d+) kB");

  private static final Path GROUPS = Path.of("sys/fs/cgroup");

  /** The group of this process in version 2, below {@link #GROUPS}. */
  private static final Pattern OWN_GROUP = Pattern.compile("(?m)^0::/(.*)$");

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

  /** The least that is left in any group this process is in; a limit binds all groups below it. */
  private long ofGroup() {
    Path first = GROUPS.resolve("memory"); // version 1
    long least =
        left(first, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file");
    Matcher own = OWN_GROUP.matcher(text("proc/self/cgroup"));
    Path group = own.find() ? GROUPS.resolve(own.group(1)).normalize() : GROUPS;
    for (; group != null && group.startsWith(GROUPS); group = group.getParent()) {
      least = Math.min(least, left(group, "memory.max", "memory.current", "inactive_file"));
    }
    return Math.max(0, least);
  }

  /** The cache of files that nobody uses counts as free, as it does for the system. */
  private long left(Path group, String limitFile, String usedFile, String cacheKey) {
    String limit = text(group.resolve(limitFile).toString()).strip();
    String used = text(group.resolve(usedFile).toString()).strip();
    if (!limit.matches("\\d{1,18}") || !used.matches("\\d{1,18}")) {
      return Long.MAX_VALUE;
    }
    Matcher cache =
        Pattern.compile("(?m)^" + cacheKey + " (\\d{1,18})")
            .matcher(text(group.resolve("memory.stat").toString()));
    long reclaimable = cache.find() ? Long.parseLong(cache.group(1)) : 0;
    return Long.parseLong(limit) - Long.parseLong(used) + reclaimable;
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
