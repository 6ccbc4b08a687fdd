package org.gatun.train;

import java.util.List;

/**
 * An option that cannot be meant, or that contradicts another: a sentence for the user, exit code
 * 2.
 */
final class WrongUse extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  WrongUse(String sentence) {
    super(sentence);
  }

  /**
   * @throws WrongUse unless the value is at least {@code least}
   */
  static void unlessAtLeast(String option, long least, long value) {
    if (value < least) {
      throw new WrongUse(option + " " + value + ": must be at least " + least);
    }
  }

  /**
   * @throws WrongUse unless the value lies in [least, most]
   */
  static void unlessWithin(String option, double least, double most, double value) {
    if (!(value >= least && value <= most)) {
      String range =
          most == Float.MAX_VALUE
              ? "at least " + plain(least)
              : "from " + plain(least) + " to " + plain(most);
      throw new WrongUse(option + " " + plain(value) + ": must be " + range);
    }
  }

  /**
   * @throws WrongUse unless the value is one of those there are
   */
  static void unlessOneOf(String option, List<String> known, String value) {
    if (!known.contains(value)) {
      throw new WrongUse(option + " " + value + ": did you mean " + Nearest.to(value, known)
          + "? There are " + String.join(", ", known));
    }
  }

  private static String plain(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e15
        ? Long.toString((long) value)
        : Float.toString((float) value);
  }
}
