package org.gatun.cuda.cublaslt;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.Optional;

/**
 * A kernel and its settings that the library proposes for a problem.
 *
 * @param algorithm the 64 opaque bytes of {@code cublasLtMatmulAlgo_t}, in hexadecimal digits
 */
record Proposal(String algorithm, long workspaceBytes) {
  static final int ALGORITHM_BYTES = 64;

  /** Bytes of {@code cublasLtMatmulHeuristicResult_t}: the algorithm, size_t workspaceSize, int state, float waves, int[4]. */
  static final long RESULT_BYTES = 96;

  private static final int WORKSPACE = 64;
  private static final int STATE = 72;

  /** What a heuristic result proposes; nothing if its state is not success. */
  static Optional<Proposal> of(MemorySegment result) {
    if (result.get(JAVA_INT, STATE) != 0) {
      return Optional.empty();
    }
    byte[] algorithm = result.asSlice(0, ALGORITHM_BYTES).toArray(JAVA_BYTE);
    return Optional.of(new Proposal(HexFormat.of().formatHex(algorithm), result.get(JAVA_LONG, WORKSPACE)));
  }

  /** Writes the algorithm's bytes to {@code cells}. */
  void writeTo(MemorySegment cells) {
    cells.copyFrom(MemorySegment.ofArray(HexFormat.of().parseHex(algorithm)));
  }
}
