package org.gatun.cpu;

import static org.gatun.cpu.X86Assembler.Comparison.EQUAL;
import static org.gatun.cpu.X86Assembler.Comparison.LESS;
import static org.gatun.cpu.X86Assembler.Comparison.NOT_COMPARABLE;

import org.gatun.cpu.X86Program.Value;

/**
 * The functions of {@link Lanes}, {@link SoftmaxLanes} and {@link GeluLoops} for machine code: the same to the last
 * bit, for the arguments that are allowed there. What each step is for is said there. But GELU by AVX-512 is looked up in
 * tables: a third of the instructions, and not the same rounding.
 */
final class X86Functions {
  private static final float ROUNDER = 0x1.8p23f;
  private static final int ROUNDER_BITS = Float.floatToRawIntBits(ROUNDER);

  private final X86Program program;

  /** Whether there are the instructions for scaling by a power of two, and for tables of 32 floats. */
  private final boolean wide;

  /** Of t from 0 on, what a GELU of -t is divided by t, and its derivative at -t. */
  private record Tables(PiecewisePolynomial gelu, PiecewisePolynomial slope) {
    static final Tables ERF =
        new Tables(
            new PiecewisePolynomial(t -> -PiecewisePolynomial.normalTail(t)),
            new PiecewisePolynomial(
                t -> PiecewisePolynomial.normalTail(t) - t * PiecewisePolynomial.normalDensity(t)));

    static final Tables TANH =
        new Tables(
            new PiecewisePolynomial(t -> -logistic(t)),
            new PiecewisePolynomial(
                t -> logistic(t)
                    - t * logistic(t) * (1 - logistic(t)) * (GeluLoops.LINEAR + 3 * GeluLoops.CUBIC * t * t)));

    /** Of -2u, for u of t. */
    private static double logistic(double t) {
      return 1 / (1 + Math.exp((GeluLoops.LINEAR + GeluLoops.CUBIC * t * t) * t));
    }
  }

  X86Functions(X86Program program) {
    this.program = program;
    wide = program.lanes() == 16;
  }

  private Value constant(float value) {
    return program.constant(value);
  }

  /** As {@link Lanes#exp}. */
  Value exp(Value x) {
    x = constant(-105f).maximum(x);
    x = constant(89f).minimum(x);
    Value rounded = x.fma(1.44269504f, ROUNDER);
    Value whole = rounded.minus(ROUNDER);
    Value p = expOfRest(x, whole);
    if (wide) { // of the two products below only the last one can round, so this gives the same bits
      return p.scaled(whole);
    }
    Value k = rounded.plusBits(-ROUNDER_BITS);
    Value half = k.shiftedRight(1);
    return p.times(half.plusBits(127).shiftedLeft(23)).times(k.minusBits(half).plusBits(127).shiftedLeft(23));
  }

  /** As {@link SoftmaxLanes#exp}. */
  Value softmaxExp(Value x) {
    Value rounded = x.fma(1.44269504f, ROUNDER);
    Value whole = rounded.minus(ROUNDER);
    Value p = expOfRest(x, whole);
    Value e = wide ? p.scaled(whole) : p.times(rounded.plusBits(127 - ROUNDER_BITS).shiftedLeft(23));
    return e.or(0f, x, LESS, -87f);
  }

  /** The exponential of x less so many times ln 2. */
  private Value expOfRest(Value x, Value whole) {
    Value r = whole.fma(constant(-0.693145752f), x);
    r = whole.fma(constant(-1.42860677e-6f), r);
    Value p = r.fma(1.9875691500e-4f, 1.3981999507e-3f);
    p = p.fma(r, 8.3334519073e-3f);
    p = p.fma(r, 4.1665795894e-2f);
    p = p.fma(r, 1.6666665459e-1f);
    p = p.fma(r, 5.0000001201e-1f);
    return p.fma(r.times(r), r).plus(1f);
  }

  /** As {@link Lanes#log}. */
  Value log(Value x) {
    Value bits = x.or(x.times(0x1p23f), x, LESS, Float.MIN_NORMAL);
    Value e = bits.plusBits(-0x3F2AAAAB).andBits(0xFF800000);
    Value exponent = e.asFloats().times(0x1p-23f).plus(constant(0).or(-23f, x, LESS, Float.MIN_NORMAL));
    Value m = bits.minusBits(e).minus(1f);
    Value s = m.times(m);
    Value r = s.fma(-0.130310059f, -0.121483512f);
    Value t = s.fma(0.140869141f, 0.139814854f);
    r = r.fma(s, -0.166846126f);
    t = t.fma(s, 0.200120345f);
    r = t.fma(m, r.fma(s, -0.249996200f));
    r = r.fma(m, 0.333331972f).fma(m, -0.5f);
    r = exponent.fma(constant(0.693147182f), r.fma(s, m));
    return r.or(x, x, EQUAL, Float.POSITIVE_INFINITY)
        .or(Float.NEGATIVE_INFINITY, x, EQUAL, 0f)
        .or(Float.NaN, x, LESS, 0f)
        .or(x, x, NOT_COMPARABLE, 0f);
  }

  /** As {@link Lanes#scaledErfc}. */
  private Value scaledErfc(Value t) {
    Value u = constant(1f).dividedBy(t.times(0.375f).plus(1f));
    Value p = u.fma(0.061077490f, -0.28515559f);
    p = p.fma(u, 0.42803931f);
    p = p.fma(u, -0.22457187f);
    p = p.fma(u, 0.27047393f);
    p = p.fma(u, 0.12285329f);
    p = p.fma(u, 0.20497677f);
    p = p.fma(u, 0.21069586f);
    return p.fma(u, 0.21161081f).times(u);
  }

  /** As {@link GeluLoops#tanh}. */
  Value geluTanh(Value x) {
    if (wide) {
      return gelu(x, new TablePlace(x), Tables.TANH);
    }
    Value e = exp(x.times(x).fma(-GeluLoops.CUBIC, -GeluLoops.LINEAR).times(x));
    return x.dividedBy(e.plus(1f));
  }

  /** A value of a function, and its derivative there. */
  record WithSlope(Value value, Value slope) {}

  /** As {@link GeluLoops#tanh}, and as {@link GeluLoops#tanhGradient} of a gradient of one. */
  WithSlope geluTanhAndSlope(Value x) {
    if (wide) {
      return geluAndSlope(x, Tables.TANH);
    }
    Value below = x; // of which the value is made, to within 1e-25 where the slope's limit is felt
    x = constant(-9f).maximum(x);
    Value square = x.times(x);
    Value e = exp(square.fma(-GeluLoops.CUBIC, -GeluLoops.LINEAR).times(x));
    Value y = below.dividedBy(e.plus(1f));
    Value s = constant(1f).dividedBy(e.plus(1f));
    Value slope = square.fma(3 * GeluLoops.CUBIC, GeluLoops.LINEAR);
    return new WithSlope(y, e.times(s).times(s).times(x).fma(slope, s));
  }

  /** As {@link GeluLoops#erf}. */
  Value geluErf(Value x) {
    if (wide) {
      return gelu(x, new TablePlace(x), Tables.ERF);
    }
    Value z = x.times(GeluLoops.SQRT_HALF);
    Value tail = exp(z.times(z).negated()).times(scaledErfc(z.absolute()));
    return twiceNormal(x, tail).times(x.times(0.5f));
  }

  /** As {@link GeluLoops#erf}, and as {@link GeluLoops#erfGradient} of a gradient of one. */
  WithSlope geluErfAndSlope(Value x) {
    if (wide) {
      return geluAndSlope(x, Tables.ERF);
    }
    Value z = x.times(GeluLoops.SQRT_HALF);
    Value e = exp(z.times(z).negated());
    Value twice = twiceNormal(x, e.times(scaledErfc(z.absolute())));
    Value y = twice.times(x.times(0.5f));
    return new WithSlope(y, twice.times(0.5f).plus(x.times(e).times(GeluLoops.INVERSE_SQRT_TWO_PI)));
  }

  /** Both forms are x less what they are at -x. */
  private Value gelu(Value x, TablePlace place, Tables tables) {
    return place.t.fma(place.lookUp(tables.gelu), constant(0).maximum(x));
  }

  private WithSlope geluAndSlope(Value x, Tables tables) {
    var place = new TablePlace(x);
    Value y = gelu(x, place, tables);
    Value below = place.lookUp(tables.slope);
    return new WithSlope(y, constant(1).minus(below).or(below, x, LESS, 0f));
  }

  /** Where in tables a number is, whatever its sign. */
  private final class TablePlace {
    /** Its size, as far as tables go; NaN remains. */
    final Value t;

    /** The number of its piece, in the last bits. */
    private final Value piece;

    /** From the middle of its piece on. */
    private final Value rest;

    TablePlace(Value x) {
      t = constant(PiecewisePolynomial.END).minimum(x.absolute());
      piece = t.fma(PiecewisePolynomial.IN_UNIT, ROUNDER);
      rest = piece.minus(ROUNDER).fma(constant(-1f / PiecewisePolynomial.IN_UNIT), t);
    }

    Value lookUp(PiecewisePolynomial table) {
      Value y = piece.lookUp(table.coefficients(PiecewisePolynomial.DEGREE));
      for (int power = PiecewisePolynomial.DEGREE - 1; power >= 0; power--) {
        y = y.fma(rest, piece.lookUp(table.coefficients(power)));
      }
      return y;
    }
  }

  private Value twiceNormal(Value x, Value tail) {
    return constant(2f).minus(tail).or(tail, x, LESS, 0f);
  }
}
