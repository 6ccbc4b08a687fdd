package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;

/** The loops over one row of {@link CpuNorm}; rows begin at 0 unless a position is given. */
final class NormLoops {
  private static final int LANES = SPECIES.length();

  private NormLoops() {}

  /** x += y. */
  static void add(float[] x, float[] y, int n) {
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      at(x, i).add(at(y, i)).intoArray(x, i);
    }
    for (; i < n; i++) {
      x[i] += y[i];
    }
  }

  /** x -= mean; returns the sum of squares of the results. */
  static double center(float[] x, int n, float mean) {
    FloatVector squares0 = FloatVector.zero(SPECIES);
    FloatVector squares1 = squares0;
    int i = 0;
    for (; i <= n - 2 * LANES; i += 2 * LANES) {
      FloatVector x0 = at(x, i).sub(mean);
      FloatVector x1 = at(x, i + LANES).sub(mean);
      x0.intoArray(x, i);
      x1.intoArray(x, i + LANES);
      squares0 = x0.fma(x0, squares0);
      squares1 = x1.fma(x1, squares1);
    }
    double rest = 0;
    for (; i < n; i++) {
      x[i] -= mean;
      rest += (double) x[i] * x[i];
    }
    return Lanes.sum(squares0.add(squares1)) + rest;
  }

  /** x = x · factor · weight + bias. */
  static void affine(float[] x, int n, float factor, float[] weight, float[] bias) {
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      at(x, i).mul(factor).fma(at(weight, i), at(bias, i)).intoArray(x, i);
    }
    for (; i < n; i++) {
      x[i] = Math.fma(x[i] * factor, weight[i], bias[i]);
    }
  }

  /** x = (x - mean) · factor. */
  static void standardize(float[] x, int n, float mean, float factor) {
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      at(x, i).sub(mean).mul(factor).intoArray(x, i);
    }
    for (; i < n; i++) {
      x[i] = (x[i] - mean) * factor;
    }
  }

  /** sums[at..] += dy · normed, and sums[at + n..] += dy. */
  static void addParameters(float[] sums, int at, float[] dy, float[] normed, int n) {
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      FloatVector d = at(dy, i);
      d.fma(at(normed, i), at(sums, at + i)).intoArray(sums, at + i);
      at(sums, at + n + i).add(d).intoArray(sums, at + n + i);
    }
    for (; i < n; i++) {
      sums[at + i] = Math.fma(dy[i], normed[i], sums[at + i]);
      sums[at + n + i] += dy[i];
    }
  }

  /** d = (d · weight - mean(d · weight) - normed · mean(d · weight · normed)) · factor. */
  static void differentiate(
      float[] d, float[] normed, float[] weight, int n, float factor, boolean centered) {
    FloatVector sum = FloatVector.zero(SPECIES);
    FloatVector dot = sum;
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      FloatVector g = at(d, i).mul(at(weight, i));
      g.intoArray(d, i);
      sum = g.add(sum);
      dot = g.fma(at(normed, i), dot);
    }
    double sumRest = 0;
    double dotRest = 0;
    for (; i < n; i++) {
      d[i] *= weight[i];
      sumRest += d[i];
      dotRest += (double) d[i] * normed[i];
    }
    float mean = centered ? (float) ((Lanes.sum(sum) + sumRest) / n) : 0;
    project(d, normed, n, mean, (float) ((Lanes.sum(dot) + dotRest) / n), factor);
  }

  /** d = (d - mean - normed · slope) · factor. */
  private static void project(
      float[] d, float[] normed, int n, float mean, float slope, float factor) {
    FloatVector down = FloatVector.broadcast(SPECIES, -slope);
    int i = 0;
    for (; i <= n - LANES; i += LANES) {
      at(normed, i).fma(down, at(d, i).sub(mean)).mul(factor).intoArray(d, i);
    }
    for (; i < n; i++) {
      d[i] = Math.fma(normed[i], -slope, d[i] - mean) * factor;
    }
  }

  private static FloatVector at(float[] x, int at) {
    return FloatVector.fromArray(SPECIES, x, at);
  }
}
