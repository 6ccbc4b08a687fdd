package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;
import static org.gatun.cpu.Tiles.AREA;
import static org.gatun.cpu.Tiles.SIDE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.DType;

/**
 * One worker's part in the forward pass of attention: a tile of queries at a time against all keys.
 */
final class AttentionForward {
  private static final int LANES = SPECIES.length();

  private static final float[] ZEROS = new float[SIDE];

  private final int across;
  private final int size;
  private final float[] queries;
  private final float[] queriesTransposed;
  private final float[] keys;
  private final float[] values;
  private final float[] output;
  private final float[] scores = new float[AREA];
  private final float[] raised = new float[SIDE];
  private final float[] rescale = new float[SIDE];

  /** The largest score of each query so far, and from SIDE on the sum of its exponentials. */
  private final float[] running = new float[2 * SIDE];

  private final Lanes.Loop raiseMax = AttentionForward::raiseMax;
  private final Lanes.Loop exponentials = AttentionForward::exponentials;

  AttentionForward(int size) {
    this.size = size;
    across = Tiles.count(size);
    queries = new float[across * AREA];
    queriesTransposed = new float[across * AREA];
    keys = new float[across * AREA];
    values = new float[across * AREA];
    output = new float[across * AREA];
  }

  int size() {
    return size;
  }

  /**
   * Computes rows of y and lse (F32, from {@code lseStart} on) for the queries from {@code first}
   * on.
   */
  void run(
      HeadRows y, MemorySegment lse, long lseStart, HeadRows q, HeadRows k, HeadRows v,
      AttentionScores restriction, float scale, int first) {
    int rows = Math.min(SIDE, restriction.queries() - first);
    begin(q, first, rows, scale);
    int end = restriction.keysNeeded(first + rows - 1);
    for (int key = 0; key < end; key += SIDE) {
      int count = Math.min(SIDE, end - key);
      k.load(keys, key, count);
      v.load(values, key, count);
      int width = restriction.width(first, key, count, rows);
      for (int at = 0; at < rows; at += width) {
        int columns = Math.min(width, rows - at);
        int seen = Math.min(count, restriction.keysNeeded(first + at + columns - 1) - key);
        if (seen > 0) {
          attend(restriction, key, seen, first, at, columns);
        }
      }
    }
    finish(rows);
    y.store(false, output, 0, first, rows);
    Lanes.store(lse, DType.F32, lseStart + first, running, 0, rows);
  }

  private void begin(HeadRows q, int first, int rows, float scale) {
    q.load(queries, first, rows);
    for (int tile = 0; tile < across; tile++) {
      int at = tile * AREA;
      int columns = Math.min(SIDE, size - tile * SIDE);
      Tiles.transpose(queriesTransposed, at, queries, at, rows, columns);
      Tiles.scale(queriesTransposed, at, columns, rows, scale);
      Tiles.fill(output, at, rows, 0, columns, 0);
    }
    Arrays.fill(raised, Float.NEGATIVE_INFINITY);
    Arrays.fill(running, 0, SIDE, Float.NEGATIVE_INFINITY);
    Arrays.fill(running, SIDE, 2 * SIDE, 0);
  }

  /** Brings keys into the running softmax of the queries in the columns from {@code at} on. */
  private void attend(
      AttentionScores restriction, int key, int count, int first, int at, int columns) {
    Tiles.setProduct(
        scores, at, ZEROS, 0, keys, 0, queriesTransposed, at, count, columns, Math.min(SIDE, size));
    for (int tile = 1; tile < across; tile++) {
      int depth = Math.min(SIDE, size - tile * SIDE);
      int source = tile * AREA;
      Tiles.addProduct(
          scores, at, keys, source, queriesTransposed, source + at, count, columns, depth);
    }
    restriction.restrict(scores, key, count, first, at, at + columns);
    int vectors = Math.ceilDiv(columns, LANES);
    if (X86Pass.AVAILABLE) {
      X86Pass.TILE_LARGEST.runRows(vectors, count, Rows.of(scores, at, LANES), Rows.of(raised, at, LANES));
    } else {
      for (int j = at; j < at + columns; j += LANES) {
        Lanes.apart(raiseMax, raised, j, scores, j, count);
      }
    }
    boolean rescaled = raise(at, columns) && key > 0;
    if (X86Pass.AVAILABLE) {
      X86Pass.TILE_SOFTMAX.runRows(
          vectors, count, Rows.of(scores, at, LANES), Rows.of(running, at, LANES),
          Rows.of(running, SIDE + at, LANES));
    } else {
      for (int j = at; j < at + columns; j += LANES) {
        Lanes.apart(exponentials, scores, j, running, j, count);
      }
    }
    for (int tile = 0; tile < across; tile++) {
      int width = Math.min(SIDE, size - tile * SIDE);
      int target = tile * AREA + at * SIDE;
      if (rescaled) {
        Tiles.scaleRows(output, target, columns, width, rescale, at);
      }
      Tiles.addTransposedProduct(
          output, target, scores, at, values, tile * AREA, columns, width, count);
    }
  }

  // A pass each: the same as one method took twice as long (6 against 3 µs a tile).

  /**
   * The largest of earlier scores and these, for one vector of queries; four chains, for latency.
   */
  private static void raiseMax(float[] max, int maxAt, float[] scores, int j, int count) {
    FloatVector m0 = FloatVector.fromArray(SPECIES, max, maxAt);
    FloatVector m1 = m0;
    FloatVector m2 = m0;
    FloatVector m3 = m0;
    int i = 0;
    for (; i < count - 3; i += 4) {
      m0 = larger(m0, FloatVector.fromArray(SPECIES, scores, i * SIDE + j));
      m1 = larger(m1, FloatVector.fromArray(SPECIES, scores, i * SIDE + SIDE + j));
      m2 = larger(m2, FloatVector.fromArray(SPECIES, scores, i * SIDE + 2 * SIDE + j));
      m3 = larger(m3, FloatVector.fromArray(SPECIES, scores, i * SIDE + 3 * SIDE + j));
    }
    for (; i < count; i++) {
      m0 = larger(m0, FloatVector.fromArray(SPECIES, scores, i * SIDE + j));
    }
    larger(larger(m0, m1), larger(m2, m3)).intoArray(max, maxAt);
  }

  /**
   * Takes over new maxima, after Milakov and Gimelshein (2018): {@code rescale} receives what
   * earlier sums must be multiplied by, and they are. Returns whether any maximum has moved.
   */
  private boolean raise(int at, int columns) {
    boolean moved = false;
    for (int j = at; j < at + columns; j++) {
      float shift = raised[j] == Float.NEGATIVE_INFINITY ? 0 : raised[j];
      rescale[j] = running[j] - shift;
      moved |= raised[j] != running[j];
      running[j] = raised[j];
    }
    if (moved) {
      Lanes.exp(rescale, at, columns);
      for (int j = at; j < at + columns; j++) {
        running[SIDE + j] *= rescale[j];
      }
    }
    return moved;
  }

  /** Replaces scores by exp(score - max) and adds them up, for one vector of queries. */
  private static void exponentials(float[] scores, int at, float[] running, int j, int count) {
    FloatVector shift = FloatVector.fromArray(SPECIES, running, j);
    // Minus infinity less itself would be NaN: a query that has seen no key yet compares with zero.
    shift = shift.blend(0, shift.compare(VectorOperators.EQ, Float.NEGATIVE_INFINITY));
    FloatVector total = FloatVector.fromArray(SPECIES, running, SIDE + j);
    for (int i = 0; i < count; i++) {
      FloatVector score = FloatVector.fromArray(SPECIES, scores, i * SIDE + at);
      FloatVector p = SoftmaxLanes.exp(score.sub(shift));
      p.intoArray(scores, i * SIDE + at);
      total = p.add(total);
    }
    total.intoArray(running, SIDE + j);
  }

  /** The larger of each two; beside a NaN it may be either, for a NaN reaches the sum by its exponential. */
  private static FloatVector larger(FloatVector max, FloatVector scores) {
    return scores.blend(max, scores.compare(VectorOperators.LT, max));
  }

  /** Divides by the sums and leaves lse in {@code running}; a query that sees no key gets zeros. */
  private void finish(int rows) {
    for (int i = 0; i < rows; i++) {
      float sum = running[SIDE + i];
      rescale[i] = sum == 0 ? 0 : 1 / sum;
    }
    for (int tile = 0; tile < across; tile++) {
      Tiles.scaleRows(output, tile * AREA, rows, Math.min(SIDE, size - tile * SIDE), rescale, 0);
    }
    Lanes.log(running, SIDE, rows);
    for (int i = 0; i < rows; i++) {
      running[i] += running[SIDE + i];
    }
  }
}
