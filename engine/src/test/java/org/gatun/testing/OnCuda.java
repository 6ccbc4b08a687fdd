package org.gatun.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Tests on a CUDA device, by way of {@link CudaDevices}: the emulator, or with GATUN_TEST_DEVICE=cuda in the environment
 * the machine's own. Skipped with the reason where there is none; an error there if the environment has
 * GATUN_REQUIRE_NATIVE=1.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("emulator")
@Tag("gpu")
@ExtendWith(OnCuda.Condition.class)
public @interface OnCuda {
  /** Asks whether there is a device. */
  final class Condition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      String reason = CudaDevices.whyNot();
      if (reason.isEmpty()) {
        return ConditionEvaluationResult.enabled("there is a device");
      }
      if ("1".equals(System.getenv("GATUN_REQUIRE_NATIVE"))) {
        throw new IllegalStateException("GATUN_REQUIRE_NATIVE=1, but " + reason);
      }
      return ConditionEvaluationResult.disabled(reason);
    }
  }
}
