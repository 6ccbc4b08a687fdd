package org.gatun.cuda.testing;

import org.junit.jupiter.api.extension.ConditionEvaluationResult;

/** What becomes of a test whose native libraries are not there. */
final class NativeRequirement {
  private NativeRequirement() {}

  /** Skipped for {@code reason}, or an error where the environment has GATUN_REQUIRE_NATIVE=1; run if {@code reason} is empty. */
  static ConditionEvaluationResult enabledUnless(String reason) {
    if (reason.isEmpty()) {
      return ConditionEvaluationResult.enabled("all is there");
    }
    if ("1".equals(System.getenv("GATUN_REQUIRE_NATIVE"))) {
      throw new IllegalStateException("GATUN_REQUIRE_NATIVE=1, but " + reason);
    }
    return ConditionEvaluationResult.disabled(reason);
  }
}
