package org.gatun.tensor;

import java.util.stream.Stream;
import org.gatun.gpu.CudaDevice;
import org.gatun.proof.OpRow;
import org.gatun.proof.OpTable;
import org.gatun.proof.Oracle;
import org.gatun.testing.CudaDevices;
import org.gatun.testing.OnCuda;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every row of {@link OpTable} on a CUDA device: result and gradient against {@link Oracle}, in both precisions. */
@OnCuda
class CudaOpTest {
  private static CudaDevice device;

  @BeforeAll
  static void open() {
    device = CudaDevices.open();
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
