package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;
import static org.gatun.cpu.Tiles.AREA;
import static org.gatun.cpu.Tiles.SIDE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.DType;

/**
 * One worker's part in the backward pass of attention: all of a head. With P = exp(S - lse) and dP
 * = dy vᵀ, dS = P (dP - Σ dy · y); dq = dS k, dk = dSᵀ q, dv = Pᵀ dy (Dao et al., 2022).
 */
final class AttentionBackward {
  private static final int LANES = SPECIES.length();

  private final int across;
  private final int size;
  private final float[] queries;
  private final float[] queriesTransposed;
  private final float[] dy;
  private final float[] dyTransposed;
  private final float[] keys;
  private final float[] values;
  private final float[] dq;
  private final float[] scores = new float[AREA];
  private final float[] dScores = new float[AREA];
  private final float[] lse = new float[SIDE];
  private final float[] dot = new float[SIDE];
  private final float[] part = new float[SIDE];
  private final Lanes.Loop differentiate = AttentionBackward::differentiate;
  private float[] dk = new float[0];
  private float[] dv = new float[0];

  AttentionBackward(int size) {
    this.size = size;
    across = Tiles.count(size);
    queries = new float[across * AREA];
    queriesTransposed = new float[across * AREA];
    dy = new float[across * AREA];
    dyTransposed = new float[across * AREA];
    keys = new float[across * AREA];
    values = new float[across * AREA];
    dq = new float[across * AREA];
  }

  int size() {
    return size;
  }

  /** What one head reads. */
  record Inputs(
      HeadRows dy, HeadRows y, MemorySegment lse, long lseStart, HeadRows q, HeadRows k,
      HeadRows v) {}

  /** Where one head's gradient goes. */
  record Output(HeadRows rows, boolean add) {
    void store(float[] tiles, int at, int first, int count) {
      rows.store(add, tiles, at, first, count);
    }
  }

  /** Computes the gradients of a head. */
  void run(
      Output toQ, Output toK, Output toV, Inputs in, AttentionScores restriction, float scale) {
    int keyCount = restriction.keys();
    clear(Tiles.count(keyCount) * across * AREA);
    for (int first = 0; first < restriction.queries(); first += SIDE) {
      int rows = Math.min(SIDE, restriction.queries() - first);
      begin(in, first, rows, scale);
      int end = restriction.keysNeeded(first + rows - 1);
      for (int key = 0; key < end; key += SIDE) {
        tile(in, restriction, first, rows, key, Math.min(SIDE, end - key));
      }
      for (int tile = 0; tile < across; tile++) {
        Tiles.scale(dq, tile * AREA, rows, Math.min(SIDE, size - tile * SIDE), scale);
      }
      toQ.store(dq, 0, first, rows);
    }
    for (int key = 0; key < keyCount; key += SIDE) {
      int at = key / SIDE * across * AREA;
      toK.store(dk, at, key, Math.min(SIDE, keyCount - key));
      toV.store(dv, at, key, Math.min(SIDE, keyCount - key));
    }
  }

  private void clear(int length) {
    if (dk.length < length) {
      dk = new float[length];
      dv = new float[length];
    } else {
      Arrays.fill(dk, 0, length, 0);
      Arrays.fill(dv, 0, length, 0);
    }
  }

  private void begin(Inputs in, int first, int rows, float scale) {
    in.y().load(queries, first, rows);
    in.dy().load(dy, first, rows);
    Arrays.fill(dot, 0);
    for (int tile = 0; tile < across; tile++) {
      int columns = Math.min(SIDE, size - tile * SIDE);
      Tiles.dotRows(part, dy, tile * AREA, queries, tile * AREA, rows, columns);
      for (int i = 0; i < rows; i++) {
        dot[i] -= part[i];
      }
    }
    in.q().load(queries, first, rows);
    for (int tile = 0; tile < across; tile++) {
      int at = tile * AREA;
      int columns = Math.min(SIDE, size - tile * SIDE);
      Tiles.scale(queries, at, rows, columns, scale);
      Tiles.transpose(queriesTransposed, at, queries, at, rows, columns);
      Tiles.transpose(dyTransposed, at, dy, at, rows, columns);
      Tiles.fill(dq, at, rows, 0, columns, 0);
    }
    Lanes.load(lse, 0, in.lse(), DType.F32, in.lseStart() + first, rows);
    for (int i = 0; i < rows; i++) {
      // A query that sees no key has minus infinity here and must stay without probabilities.
      lse[i] = lse[i] == Float.NEGATIVE_INFINITY ? lse[i] : -lse[i];
    }
  }

  private void tile(
      Inputs in, AttentionScores restriction, int first, int rows, int key, int count) {
    in.k().load(keys, key, count);
    in.v().load(values, key, count);
    int width = restriction.width(first, key, count, rows);
    for (int at = 0; at < rows; at += width) {
      int columns = Math.min(width, rows - at);
      int seen = Math.min(count, restriction.keysNeeded(first + at + columns - 1) - key);
      if (seen > 0) {
        probabilities(seen, at, columns);
        restriction.restrict(scores, key, seen, first, at, at + columns);
        differentiate(seen, at, columns);
        accumulate(key / SIDE * across * AREA, seen, at, columns);
      }
    }
  }

  /** Leaves S - lse in {@code scores} and dP - Σ dy · y in {@code dScores}. */
  private void probabilities(int count, int at, int columns) {
    int first = Math.min(SIDE, size);
    Tiles.setProduct(scores, at, lse, at, keys, 0, queriesTransposed, at, count, columns, first);
    Tiles.setProduct(dScores, at, dot, at, values, 0, dyTransposed, at, count, columns, first);
    for (int tile = 1; tile < across; tile++) {
      int depth = Math.min(SIDE, size - tile * SIDE);
      int source = tile * AREA;
      Tiles.addProduct(
          scores, at, keys, source, queriesTransposed, source + at, count, columns, depth);
      Tiles.addProduct(
          dScores, at, values, source, dyTransposed, source + at, count, columns, depth);
    }
  }

  /** scores = P = exp(scores), dScores = P dScores. */
  private void differentiate(int count, int at, int columns) {
    if (X86Pass.AVAILABLE) {
      X86Pass.TILE_SOFTMAX_GRADIENT.runRows(
          Math.ceilDiv(columns, LANES), count, Rows.of(scores, at, LANES), Rows.of(dScores, at, LANES));
      return;
    }
    for (int i = 0; i < count; i++) {
      Lanes.apart(differentiate, dScores, i * SIDE + at, scores, i * SIDE + at, columns);
    }
  }

  /** Of one row. */
  private static void differentiate(float[] dScores, int dAt, float[] scores, int at, int columns) {
    for (int j = 0; j < columns; j += LANES) {
      FloatVector p = SoftmaxLanes.exp(FloatVector.fromArray(SPECIES, scores, at + j));
      p.intoArray(scores, at + j);
      p.mul(FloatVector.fromArray(SPECIES, dScores, dAt + j)).intoArray(dScores, dAt + j);
    }
  }

  private void accumulate(int keyTile, int count, int at, int columns) {
    for (int tile = 0; tile < across; tile++) {
      int width = Math.min(SIDE, size - tile * SIDE);
      int source = tile * AREA;
      int row = source + at * SIDE;
      Tiles.addProduct(dv, keyTile + source, scores, at, dy, row, count, width, columns);
      Tiles.addProduct(dk, keyTile + source, dScores, at, queries, row, count, width, columns);
      Tiles.addTransposedProduct(dq, row, dScores, at, keys, source, columns, width, count);
    }
  }
}
