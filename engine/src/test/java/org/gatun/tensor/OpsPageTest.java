package org.gatun.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.gatun.proof.OpRow;
import org.gatun.proof.OpTable;
import org.junit.jupiter.api.Test;

/** docs/ops.md is what {@link OpTable} says. {@code GATUN_WRITE_DOCS=1} in the environment rewrites it. */
class OpsPageTest {
  private static final Path PAGE = Path.of("..", "docs", "ops.md").toAbsolutePath().normalize();
  private static final String COMMAND = "GATUN_WRITE_DOCS=1 mvn -pl engine -am test -Dtest=OpsPageTest"
      + " -Dsurefire.failIfNoSpecifiedTests=false";

  private static final String HEAD = """
      # Operations

      Every operation of `Tensor` with what is checked about it on each run of the tests: its result, and its
      gradient where it has one, against a reference in double precision, on parameters and on results of other
      operations, once and with a second gradient added. Written by `OpsPageTest` from the table of cases.

      | operation | forward | backward | types | devices | cases |
      |---|---|---|---|---|---|
      """;

  @Test
  void pageIsUpToDate() throws IOException {
    String expected = page();
    if ("1".equals(System.getenv("GATUN_WRITE_DOCS"))) {
      Files.createDirectories(PAGE.getParent());
      Files.writeString(PAGE, expected);
    }
    String actual = Files.exists(PAGE) ? Files.readString(PAGE) : "";
    assertEquals(expected, actual, PAGE + " is stale; rewrite it with: " + COMMAND);
  }

  private static String page() {
    var byOp = OpTable.rows().stream().collect(Collectors.groupingBy(OpRow::op, TreeMap::new, Collectors.toList()));
    var page = new StringBuilder(HEAD);
    byOp.forEach((op, rows) -> {
      boolean backward = rows.stream().anyMatch(OpRow::differentiable);
      page.append("| `").append(op).append("` | checked | ").append(backward ? "checked" : "none")
          .append(rows.stream().allMatch(OpRow::takesIndicesAlone) ? " | I32" : " | F32, BF16")
          .append(" | CPU, CUDA | ")
          .append(rows.size()).append(" |\n");
    });
    return page.toString();
  }
}
