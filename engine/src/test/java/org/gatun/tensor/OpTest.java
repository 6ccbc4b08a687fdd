package org.gatun.tensor;

import java.util.stream.Stream;
import org.gatun.cpu.CpuDevice;
import org.gatun.proof.OpRow;
import org.gatun.proof.OpTable;
import org.gatun.proof.Oracle;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every row of {@link OpTable}: result and gradient against {@link Oracle}, in both precisions. */
@Tag("loops")
class OpTest {
  private static CpuDevice device;

  @BeforeAll
  static void open() {
    device = new CpuDevice(2);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  static Stream<OpRow> rows() {
    return OpTable.rows().stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rows")
  void matchesOracleInF32(OpRow row) {
    check(row, Precision.F32);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rows")
  void matchesOracleInBf16(OpRow row) {
    check(row, Precision.BF16);
  }

  private static void check(OpRow row, Precision precision) {
    for (OpRow.Use use : row.uses(precision)) {
      row.check(precision, use).run(device);
    }
  }
}
