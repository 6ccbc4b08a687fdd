package org.gatun.cpu;

import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;

/**
 * A smooth function from 0 on as polynomials of degree 5, one for each quarter, as many as two vectors of AVX-512 have
 * lanes: what {@link X86Functions} looks up there. Each interpolates the function at Chebyshev's points. The function is
 * taken to vanish from 7.625 on.
 *
 * <p>Of the functions given here the sixth derivative is below 18: the error is below 18 / (6! 2⁵) · (1/8)⁶ = 3e-9, a
 * twentieth of a rounding to a float near 1.
 */
final class PiecewisePolynomial {
  static final int PIECES = 32;
  static final int DEGREE = 5;

  /** Pieces in a unit; the middle of each is a multiple of a quarter. */
  static final int IN_UNIT = 4;

  /** The middle of the last piece, where the function is 0. */
  static final float END = (PIECES - 1f) / IN_UNIT;

  private static final double RADIUS = 0.5 / IN_UNIT;

  /** By power and piece, of the distance from a piece's middle. */
  private final float[][] coefficients = new float[DEGREE + 1][PIECES];

  /** @param function smooth from -1/8 to 7.625, and next to 0 from there on */
  PiecewisePolynomial(DoubleUnaryOperator function) {
    for (int piece = 0; piece < PIECES - 1; piece++) {
      double middle = (double) piece / IN_UNIT;
      double[] polynomial = interpolate(r -> function.applyAsDouble(middle + r));
      for (int power = 0; power <= DEGREE; power++) {
        coefficients[power][piece] = (float) polynomial[power];
      }
    }
  }

  /** The coefficients of a power, by piece. */
  float[] coefficients(int power) {
    return coefficients[power];
  }

  /** After Newton: divided differences, and the products of (r - point) multiplied out. */
  private static double[] interpolate(DoubleUnaryOperator function) {
    double[] points = new double[DEGREE + 1];
    Arrays.setAll(points, i -> RADIUS * Math.cos(Math.PI * (2 * i + 1) / (2 * DEGREE + 2)));
    double[] differences = Arrays.stream(points).map(function).toArray();
    for (int order = 1; order <= DEGREE; order++) {
      for (int i = DEGREE; i >= order; i--) {
        differences[i] = (differences[i] - differences[i - 1]) / (points[i] - points[i - order]);
      }
    }
    double[] polynomial = new double[DEGREE + 1];
    for (int i = DEGREE; i >= 0; i--) { // times (r - point), plus a difference
      for (int power = DEGREE; power > 0; power--) {
        polynomial[power] = polynomial[power - 1] - points[i] * polynomial[power];
      }
      polynomial[0] = differences[i] - points[i] * polynomial[0];
    }
    return polynomial;
  }

  /** Φ(-t), the part of a normal distribution beyond t. */
  static double normalTail(double t) {
    double density = normalDensity(t);
    if (t > 2) { // Abramowitz and Stegun 26.2.14
      double fraction = t;
      for (int n = 60; n > 0; n--) {
        fraction = t + n / fraction;
      }
      return density / fraction;
    }
    double sum = t; // 26.2.11
    double term = t;
    for (int n = 3; Math.abs(term) > 1e-18; n += 2) {
      term *= t * t / n;
      sum += term;
    }
    return 0.5 - density * sum;
  }

  static double normalDensity(double t) {
    return Math.exp(-0.5 * t * t) / Math.sqrt(2 * Math.PI);
  }
}
