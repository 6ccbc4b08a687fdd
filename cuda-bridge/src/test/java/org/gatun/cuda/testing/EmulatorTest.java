package org.gatun.cuda.testing;

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
 * A test on the {@link Emulator}, in a process of its own kind. Skipped with a reason where there is no C++ compiler; an error there if the
 * environment has GATUN_REQUIRE_NATIVE=1.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("emulator")
@ExtendWith(EmulatorTest.Condition.class)
public @interface EmulatorTest {
  final class Condition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      return NativeRequirement.enabledUnless(Emulator.whyNot().orElse(""));
    }
  }
}
