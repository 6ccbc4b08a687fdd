package org.gatun.cpu;

import static org.gatun.cpu.Lanes.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import org.gatun.cpu.X86Kernels.Rows;
import org.gatun.tensor.Formula.Function;
import org.gatun.tensor.Formula.Function2;

/**
 * The steps of a {@link FormulaProgram}: loops over whole vectors within one array. An argument
 * lies at a place in it; its mask is -1 where it has a value an element, 0 where it is one vector
 * of equal values.
 */
final class FormulaLoops {
  private static final int LANES = SPECIES.length();

  private FormulaLoops() {}

  static void run(Function function, float[] r, int y, int x, int n) {
    switch (function) {
      case NEGATE -> negate(r, y, x, n);
      case ABS -> abs(r, y, x, n);
      case SQRT -> sqrt(r, y, x, n);
      case EXP -> exp(r, y, x, n);
      case LOG -> log(r, y, x, n);
      case TANH -> tanh(r, y, x, n);
      case ERF -> erf(r, y, x, n);
    }
  }

  static void run(Function2 function, float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    X86Pass pass = aMask != 0 && bMask != 0 ? X86Pass.of(function) : null;
    if (pass != null) {
      pass.run(n, Rows.of(r, a), Rows.of(r, b), Rows.of(r, y));
      return;
    }
    switch (function) {
      case ADD -> add(r, y, a, aMask, b, bMask, n);
      case SUBTRACT -> subtract(r, y, a, aMask, b, bMask, n);
      case MULTIPLY -> multiply(r, y, a, aMask, b, bMask, n);
      case DIVIDE -> divide(r, y, a, aMask, b, bMask, n);
      case POW -> pow(r, y, a, aMask, b, bMask, n);
      case MAX -> max(r, y, a, aMask, b, bMask, n);
      case MIN -> min(r, y, a, aMask, b, bMask, n);
      case LESS -> less(r, y, a, aMask, b, bMask, n);
      case LESS_OR_EQUAL -> lessOrEqual(r, y, a, aMask, b, bMask, n);
      case EQUAL -> equal(r, y, a, aMask, b, bMask, n);
    }
  }

  private static void negate(float[] r, int y, int x, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, x + i).neg().intoArray(r, y + i);
    }
  }

  private static void abs(float[] r, int y, int x, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, x + i).abs().intoArray(r, y + i);
    }
  }

  private static void sqrt(float[] r, int y, int x, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, x + i).sqrt().intoArray(r, y + i);
    }
  }

  private static void exp(float[] r, int y, int x, int n) {
    for (int i = 0; i < n; i += LANES) {
      Lanes.exp(at(r, x + i)).intoArray(r, y + i);
    }
  }

  private static void log(float[] r, int y, int x, int n) {
    for (int i = 0; i < n; i += LANES) {
      Lanes.log(at(r, x + i)).intoArray(r, y + i);
    }
  }

  private static void tanh(float[] r, int y, int x, int n) {
    for (int i = 0; i < n; i += LANES) {
      Lanes.tanh(at(r, x + i)).intoArray(r, y + i);
    }
  }

  private static void erf(float[] r, int y, int x, int n) {
    for (int i = 0; i < n; i += LANES) {
      Lanes.erf(at(r, x + i)).intoArray(r, y + i);
    }
  }

  private static void add(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, a + (i & aMask)).add(at(r, b + (i & bMask))).intoArray(r, y + i);
    }
  }

  private static void subtract(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, a + (i & aMask)).sub(at(r, b + (i & bMask))).intoArray(r, y + i);
    }
  }

  private static void multiply(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, a + (i & aMask)).mul(at(r, b + (i & bMask))).intoArray(r, y + i);
    }
  }

  private static void divide(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, a + (i & aMask)).div(at(r, b + (i & bMask))).intoArray(r, y + i);
    }
  }

  private static void pow(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    // Exact shortcuts for the exponents of a square and of its derivative.
    if (bMask == 0 && r[b] == 2f) {
      multiply(r, y, a, aMask, a, aMask, n);
    } else if (bMask == 0 && r[b] == 1f) {
      multiply(r, y, a, aMask, b, bMask, n);
    } else {
      for (int i = 0; i < n; i++) {
        // A uniform vector holds equal values: its first stands for all.
        r[y + i] = (float) Math.pow(r[a + (i & aMask)], r[b + (i & bMask)]);
      }
    }
  }

  private static void max(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, a + (i & aMask)).max(at(r, b + (i & bMask))).intoArray(r, y + i);
    }
  }

  private static void min(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      at(r, a + (i & aMask)).min(at(r, b + (i & bMask))).intoArray(r, y + i);
    }
  }

  private static void less(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      var holds = at(r, a + (i & aMask)).compare(VectorOperators.LT, at(r, b + (i & bMask)));
      FloatVector.zero(SPECIES).blend(1f, holds).intoArray(r, y + i);
    }
  }

  private static void lessOrEqual(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      var holds = at(r, a + (i & aMask)).compare(VectorOperators.LE, at(r, b + (i & bMask)));
      FloatVector.zero(SPECIES).blend(1f, holds).intoArray(r, y + i);
    }
  }

  private static void equal(float[] r, int y, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      var holds = at(r, a + (i & aMask)).compare(VectorOperators.EQ, at(r, b + (i & bMask)));
      FloatVector.zero(SPECIES).blend(1f, holds).intoArray(r, y + i);
    }
  }

  /** y = c ≠ 0 ? a : b. */
  static void select(
      float[] r, int y, int c, int cMask, int a, int aMask, int b, int bMask, int n) {
    for (int i = 0; i < n; i += LANES) {
      VectorMask<Float> holds = at(r, c + (i & cMask)).compare(VectorOperators.NE, 0f);
      at(r, b + (i & bMask)).blend(at(r, a + (i & aMask)), holds).intoArray(r, y + i);
    }
  }

  private static FloatVector at(float[] r, int at) {
    return FloatVector.fromArray(SPECIES, r, at);
  }
}
