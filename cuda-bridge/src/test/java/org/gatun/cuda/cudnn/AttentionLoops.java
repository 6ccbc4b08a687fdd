package org.gatun.cuda.cudnn;

import org.gatun.cuda.cudnn.Sdpa.Problem;

/**
 * Attention in double precision, one number after the other, over packed q, k, v [B, T, 3, NH, HS]. With each result goes the sum of its
 * terms' magnitudes: what roundings of the factors can do to it is a share of that.
 */
final class AttentionLoops {
  private final Problem p;
  private final float[] qkv;
  private final int heads;
  private final int time;
  private final int size;
  final double[] o;
  final double[] oMagnitude;
  final double[] stats;
  final double[] dQkv;
  final double[] dQkvMagnitude;

  AttentionLoops(Problem p, float[] qkv) {
    this.p = p;
    this.qkv = qkv;
    heads = (int) p.heads();
    time = (int) p.queries();
    size = (int) p.headSize();
    int rows = (int) p.batch() * time * heads;
    o = new double[rows * size];
    oMagnitude = new double[rows * size];
    stats = new double[rows];
    dQkv = new double[3 * rows * size];
    dQkvMagnitude = new double[3 * rows * size];
    for (int b = 0; b < p.batch(); b++) {
      for (int h = 0; h < heads; h++) {
        for (int t = 0; t < time; t++) {
          forward(b, h, t);
        }
      }
    }
  }

  /** Gradients for {@code dO}, given the o that forward has rounded. */
  void backward(float[] roundedO, float[] dO) {
    for (int b = 0; b < p.batch(); b++) {
      for (int h = 0; h < heads; h++) {
        for (int t = 0; t < time; t++) {
          backward(b, h, t, roundedO, dO);
        }
      }
    }
  }

  private void forward(int b, int h, int t) {
    int last = p.causal() ? t : time - 1;
    double max = Double.NEGATIVE_INFINITY;
    for (int s = 0; s <= last; s++) {
      max = Math.max(max, score(b, h, t, s));
    }
    double sum = 0;
    for (int s = 0; s <= last; s++) {
      sum += Math.exp(score(b, h, t, s) - max);
    }
    stats[(b * heads + h) * time + t] = max + Math.log(sum);
    for (int s = 0; s <= last; s++) {
      double weight = Math.exp(score(b, h, t, s) - max) / sum;
      for (int x = 0; x < size; x++) {
        double term = weight * qkv[at(b, s, 2, h) + x];
        o[oAt(b, t, h) + x] += term;
        oMagnitude[oAt(b, t, h) + x] += Math.abs(term);
      }
    }
  }

  private void backward(int b, int h, int t, float[] roundedO, float[] dO) {
    int row = oAt(b, t, h);
    double rowSum = 0;
    for (int x = 0; x < size; x++) {
      rowSum += (double) dO[row + x] * roundedO[row + x];
    }
    int last = p.causal() ? t : time - 1;
    for (int s = 0; s <= last; s++) {
      double weight = Math.exp(score(b, h, t, s) - stats[(b * heads + h) * time + t]);
      double dWeight = 0;
      for (int x = 0; x < size; x++) {
        dWeight += (double) dO[row + x] * qkv[at(b, s, 2, h) + x];
      }
      double dScore = weight * (dWeight - rowSum) * p.scale();
      for (int x = 0; x < size; x++) {
        add(at(b, t, 0, h) + x, dScore * qkv[at(b, s, 1, h) + x]);
        add(at(b, s, 1, h) + x, dScore * qkv[at(b, t, 0, h) + x]);
        add(at(b, s, 2, h) + x, weight * dO[row + x]);
      }
    }
  }

  private void add(int at, double term) {
    dQkv[at] += term;
    dQkvMagnitude[at] += Math.abs(term);
  }

  private double score(int b, int h, int t, int s) {
    double sum = 0;
    for (int x = 0; x < size; x++) {
      sum += (double) qkv[at(b, t, 0, h) + x] * qkv[at(b, s, 1, h) + x];
    }
    return sum * p.scale();
  }

  private int at(int b, int t, int part, int h) {
    return ((b * time + t) * 3 + part) * heads * size + h * size;
  }

  private int oAt(int b, int t, int h) {
    return ((b * time + t) * heads + h) * size;
  }
}
