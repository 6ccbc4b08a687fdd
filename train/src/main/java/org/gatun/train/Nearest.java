package org.gatun.train;

import java.util.Collection;
import java.util.Comparator;
import java.util.regex.Pattern;

/** The word that was probably meant. */
final class Nearest {
  private static final Pattern DASHES = Pattern.compile("^-*");
  private static final Pattern INITIALS = Pattern.compile("(\\w)\\w*-?");

  private Nearest() {}

  /**
   * The candidate that a word abbreviates or spells out, else the one with the fewest edits; null
   * if there is none.
   */
  static String to(String word, Collection<String> candidates) {
    String bare = DASHES.matcher(word).replaceFirst("");
    return candidates.stream()
        .min(
            Comparator.<String>comparingInt(
                candidate -> distance(bare, DASHES.matcher(candidate).replaceFirst("")))
                .thenComparing(Comparator.naturalOrder()))
        .orElse(null);
  }

  private static int distance(String word, String candidate) {
    boolean spelledOut = candidate.equals(INITIALS.matcher(word).replaceAll("$1"));
    boolean begun = word.length() > 2 && candidate.startsWith(word);
    return spelledOut || begun ? 0 : edits(word, candidate);
  }

  /**
   * Edits (insert, delete, replace, swap neighbours) that make one of the other: Damerau and
   * Levenshtein's distance.
   */
  static int edits(String a, String b) {
    int[][] cost = new int[a.length() + 1][b.length() + 1];
    for (int i = 0; i <= a.length(); i++) {
      for (int j = 0; j <= b.length(); j++) {
        cost[i][j] = i == 0 || j == 0 ? i + j : cheapest(cost, a, b, i, j);
      }
    }
    return cost[a.length()][b.length()];
  }

  private static int cheapest(int[][] cost, String a, String b, int i, int j) {
    int replace = cost[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
    int best = Math.min(replace, 1 + Math.min(cost[i - 1][j], cost[i][j - 1]));
    boolean swapped =
        i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1);
    return swapped ? Math.min(best, cost[i - 2][j - 2] + 1) : best;
  }
}
