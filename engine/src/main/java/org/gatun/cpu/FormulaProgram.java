package org.gatun.cpu;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.gatun.tensor.Formula;

/**
 * A formula as a list of steps over chunks of elements that stay in the first-level cache. What
 * occurs twice is computed once; what no operand enters is computed once a task, not once an
 * element.
 *
 * <p>All values lie in one array: first vectors of equal values (constants, scalars and what
 * follows from them), then the operands' chunks, then those of intermediate results.
 */
final class FormulaProgram {
  /** Elements computed at a time: ten values of as many floats fit in a first-level cache. */
  static final int CHUNK = 512;

  private static final int LANES = Lanes.SPECIES.length();

  /** One operation on all values of a chunk. */
  @FunctionalInterface
  private interface Step {
    void run(float[] values, int n);
  }

  /** Where a value lies, and -1 if it differs by element, 0 if it is one vector. */
  private record Place(int at, int mask) {}

  private final List<Step> once = new ArrayList<>();
  private final List<Step> each = new ArrayList<>();
  private final List<Formula.Constant> constants = new ArrayList<>();
  private final List<Place> constantPlaces = new ArrayList<>();
  private final List<Formula.Scalar> scalars = new ArrayList<>();
  private final List<Place> scalarPlaces = new ArrayList<>();
  private final Place[] operands;
  private final Place result;
  private final int length;

  FormulaProgram(Formula formula) {
    var compiler = new Compiler();
    compiler.count(formula);
    operands = compiler.operands();
    result = compiler.place(formula);
    length = compiler.length();
  }

  /** Floats the array of values must have. */
  int length() {
    return length;
  }

  /** Whether the formula names the operand with this number. */
  boolean uses(int operand) {
    return operand < operands.length && operands[operand] != null;
  }

  /** Where an operand's elements are to be put. */
  int operand(int operand) {
    return operands[operand].at;
  }

  /** Computes what is the same for all elements. */
  void begin(float[] values, float... arguments) {
    for (int i = 0; i < constants.size(); i++) {
      fill(values, constantPlaces.get(i), constants.get(i).value());
    }
    for (int i = 0; i < scalars.size(); i++) {
      fill(values, scalarPlaces.get(i), arguments[scalars.get(i).index()]);
    }
    for (int i = 0; i < once.size(); i++) {
      once.get(i).run(values, LANES);
    }
  }

  /** Computes n elements (and what fills their last vector) and returns where the results lie. */
  int run(float[] values, int n) {
    int whole = Math.ceilDiv(n, LANES) * LANES;
    for (int i = 0; i < each.size(); i++) {
      each.get(i).run(values, whole);
    }
    if (result.mask == 0) {
      Arrays.fill(values, length - CHUNK, length - CHUNK + n, values[result.at]);
      return length - CHUNK;
    }
    return result.at;
  }

  private static void fill(float[] values, Place place, float value) {
    Arrays.fill(values, place.at, place.at + LANES, value);
  }

  /** Gives each distinct part of a formula a place, and a chunk no longer needed to the next. */
  private final class Compiler {
    private final Map<Formula, Integer> uses = new HashMap<>();
    private final Map<Formula, Place> places = new HashMap<>();
    private final List<Place> free = new ArrayList<>();
    private int vectors;
    private int chunks;
    private int uniformPlaces;
    private int operandPlaces;

    /** Counts for each part how many others read it. */
    void count(Formula formula) {
      if (uses.merge(formula, 1, Integer::sum) > 1) {
        return;
      }
      switch (formula) {
        case Formula.Operand(int index) -> operandPlaces = Math.max(operandPlaces, index + 1);
        case Formula.Scalar _,Formula.Constant _ -> {}
        case Formula.Unary(_, Formula x) -> count(x);
        case Formula.Binary(_, Formula a, Formula b) -> {
          count(a);
          count(b);
        }
        case Formula.Select(Formula c, Formula a, Formula b) -> {
          count(c);
          count(a);
          count(b);
        }
      }
    }

    Place[] operands() {
      uniformPlaces = uses.size() * LANES;
      var found = new Place[operandPlaces];
      for (int i = 0; i < operandPlaces; i++) {
        Formula operand = Formula.operand(i);
        if (uses.containsKey(operand)) {
          found[i] = newChunk();
          places.put(operand, found[i]);
        }
      }
      return found;
    }

    int length() {
      // One chunk more for a result that is the same for all elements.
      return uniformPlaces + (chunks + 1) * CHUNK;
    }

    Place place(Formula formula) {
      Place known = places.get(formula);
      if (known == null) {
        known = compute(formula);
        places.put(formula, known);
      }
      return known;
    }

    private Place compute(Formula formula) {
      return switch (formula) {
        case Formula.Operand _ -> throw new AssertionError("operands have places");
        case Formula.Constant constant -> {
          constants.add(constant);
          constantPlaces.add(newVector());
          yield constantPlaces.getLast();
        }
        case Formula.Scalar scalar -> {
          scalars.add(scalar);
          scalarPlaces.add(newVector());
          yield scalarPlaces.getLast();
        }
        case Formula.Unary(Formula.Function function, Formula argument) -> {
          Place x = place(argument);
          Place y = target(argument);
          add(y, (r, n) -> FormulaLoops.run(function, r, y.at, x.at, n));
          yield y;
        }
        case Formula.Binary(Formula.Function2 function, Formula first, Formula second) -> {
          Place a = place(first);
          Place b = place(second);
          Place y = target(first, second);
          add(y, (r, n) -> FormulaLoops.run(function, r, y.at, a.at, a.mask, b.at, b.mask, n));
          yield y;
        }
        case Formula.Select(Formula condition, Formula first, Formula second) -> {
          Place c = place(condition);
          Place a = place(first);
          Place b = place(second);
          Place y = target(condition, first, second);
          add(
              y,
              (r, n) -> FormulaLoops.select(r, y.at, c.at, c.mask, a.at, a.mask, b.at, b.mask, n));
          yield y;
        }
      };
    }

    private void add(Place y, Step step) {
      (y.mask == 0 ? once : each).add(step);
    }

    /** A place for what is computed from these: one of theirs, where this was its last use. */
    private Place target(Formula... arguments) {
      boolean uniform = true;
      for (Formula argument : arguments) {
        Place place = places.get(argument);
        uniform &= place.mask == 0;
        boolean last = uses.merge(argument, -1, Integer::sum) == 0;
        // Operands keep their places: one that is the same for all elements is loaded once.
        if (last && place.mask != 0 && !(argument instanceof Formula.Operand)) {
          free.add(place);
        }
      }
      if (uniform) {
        return newVector();
      }
      return free.isEmpty() ? newChunk() : free.removeLast();
    }

    private Place newVector() {
      return new Place(vectors++ * LANES, 0);
    }

    private Place newChunk() {
      return new Place(uniformPlaces + chunks++ * CHUNK, -1);
    }
  }
}
