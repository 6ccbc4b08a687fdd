package org.gatun.cuda.nvrtc;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a compiled kernel uses, a thread: registers, bytes of stack, bytes written to and read from memory for want of registers; and, a
 * block, bytes of static shared memory.
 */
public record KernelUse(String kernel, int registers, int stackBytes, int spillStoreBytes, int spillLoadBytes,
    int sharedBytes) {
  private static final Pattern ENTRY = Pattern.compile("Compiling entry function '([^']+)' for '[^']+'");
  private static final Pattern STACK =
      Pattern.compile("(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads");
  private static final Pattern REGISTERS = Pattern.compile("Used (\\d+) registers");
  private static final Pattern SHARED = Pattern.compile("(\\d+) bytes smem");

  /** True if the compiler ran out of registers. */
  public boolean spills() {
    return spillStoreBytes + spillLoadBytes > 0;
  }

  /** Reads the report of {@code ptxas -v}: for each kernel its name, then its stack, then its registers. */
  static List<KernelUse> parse(String log) {
    var uses = new ArrayList<KernelUse>();
    String kernel = null;
    var stack = new int[3];
    for (String line : log.lines().toList()) {
      Matcher entry = ENTRY.matcher(line);
      Matcher frame = STACK.matcher(line);
      if (entry.find()) {
        kernel = entry.group(1);
      } else if (frame.find()) {
        for (int i = 0; i < stack.length; i++) {
          stack[i] = Integer.parseInt(frame.group(i + 1));
        }
      } else if (kernel != null && REGISTERS.matcher(line).find()) {
        uses.add(new KernelUse(kernel, number(REGISTERS, line), stack[0], stack[1], stack[2], number(SHARED, line)));
        kernel = null;
      }
    }
    return List.copyOf(uses);
  }

  private static int number(Pattern pattern, String line) {
    Matcher found = pattern.matcher(line);
    return found.find() ? Integer.parseInt(found.group(1)) : 0;
  }
}
