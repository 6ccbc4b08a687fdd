package org.gatun.cuda.cudnn;

import java.util.Optional;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.ffi.VersionWindow;

/**
 * What attention cuDNN must not even be asked for: its planner refuses some of it with a riddle, ends the process on some, and
 * computes wrong gradients of some.
 */
final class SdpaRules {
  // 9.26 ends the process on one query (cudnn-frontend issue 1071), 9.25 makes NaN of it (issue 1072); sixteen rows are what a
  // tensor core multiplies at once, and less is not worth its start.
  private static final long FEWEST_ROWS = 16;
  private static final long LARGEST_HEAD = 256;

  // Up to here the front end adds a padding mask to lengths that are not multiples of 128 (sdpa_support_surface.h).
  private static final long LAST_WITH_UNEVEN_LENGTHS_BROKEN = 91500;

  private SdpaRules() {}

  /** The first rule that {@code p} breaks. */
  static Optional<String> broken(Sdpa.Problem p) {
    return Optional.<String>empty()
        .or(() -> brokenSize(p))
        .or(() -> brokenStrides(p))
        .or(() -> brokenMask(p))
        .or(Cudnn::whyNot)
        .or(() -> brokenVersion(p, CudnnLibrary.version()));
  }

  private static Optional<String> brokenSize(Sdpa.Problem p) {
    return rule(p.type() == ElementType.BF16, "queries, keys and values must be BF16, not " + p.type())
        .or(() -> rule(p.batch() > 0 && p.heads() > 0, "there must be a batch and heads, not " + p.batch() + " and "
            + p.heads()))
        .or(() -> rule(p.headSize() % 8 == 0 && p.headSize() >= 8 && p.headSize() <= LARGEST_HEAD,
            "the head size must be a multiple of 8 up to " + LARGEST_HEAD + ", not " + p.headSize()))
        .or(() -> rule(p.queries() >= FEWEST_ROWS && p.keys() >= FEWEST_ROWS, "there must be at least " + FEWEST_ROWS
            + " queries and keys, not " + p.queries() + " and " + p.keys()))
        .or(() -> rule(Float.isFinite(p.scale()), "the scale must be finite, not " + p.scale()));
  }

  /** Elements are read sixteen bytes at a time, and no two may share memory: the same strides serve the gradients. */
  private static Optional<String> brokenStrides(Sdpa.Problem p) {
    return strides("queries", p.q(), p, p.queries())
        .or(() -> strides("keys", p.k(), p, p.keys()))
        .or(() -> strides("values", p.v(), p, p.keys()))
        .or(() -> strides("results", p.o(), p, p.queries()));
  }

  private static Optional<String> strides(String what, Sdpa.Strides s, Sdpa.Problem p, long rows) {
    boolean even = s.batch() % 8 == 0 && s.head() % 8 == 0 && s.time() % 8 == 0;
    boolean headsApart = s.head() >= p.headSize() && s.time() >= p.headSize()
        && (s.head() >= (rows - 1) * s.time() + p.headSize()
            || s.time() >= (p.heads() - 1) * s.head() + p.headSize());
    boolean membersApart = p.batch() == 1
        || s.batch() >= (rows - 1) * s.time() + (p.heads() - 1) * s.head() + p.headSize();
    return rule(even && headsApart && membersApart, "the strides of the " + what
        + " must be multiples of 8 elements that keep all heads apart, not " + s);
  }

  private static Optional<String> brokenMask(Sdpa.Problem p) {
    // On Hopper the unmasked half of the last tile gives NaN in dQ where all scores of a row are below -88 (cudnn-frontend pull 628,
    // still in 9.25); below a diagonal that half is masked.
    return rule(!p.causal() || p.queries() == p.keys(), "causal attention must have as many queries as keys, not "
        + p.queries() + " and " + p.keys())
        .or(() -> rule(p.causal() || p.keys() % 128 != 64,
            "without a causal mask the keys must not leave 64 when divided by 128, as " + p.keys()
                + " do: gradients would not always be numbers"));
  }

  static Optional<String> brokenVersion(Sdpa.Problem p, long version) {
    return rule(version > LAST_WITH_UNEVEN_LENGTHS_BROKEN || p.queries() % 128 == 0 && p.keys() % 128 == 0,
        "cuDNN " + VersionWindow.cudnnVersion(version) + " needs lengths that are multiples of 128, not " + p.queries()
            + " and "
            + p.keys() + "; 9.15.1 and later do not");
  }

  private static Optional<String> rule(boolean kept, String sentence) {
    return kept ? Optional.empty() : Optional.of(sentence);
  }
}
