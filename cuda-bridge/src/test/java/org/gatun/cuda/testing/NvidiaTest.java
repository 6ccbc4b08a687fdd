package org.gatun.cuda.testing;

import java.io.File;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.ffi.LibrarySearch;
import org.gatun.cuda.ffi.MissingLibraryException;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.AnnotationSupport;

/**
 * A test with NVIDIA's own libraries, which needs no GPU. They are found as the product finds them, or below the folder that the environment's
 * GATUN_TEST_NVIDIA names ({@code site-packages/nvidia}). Skipped with a reason where one is missing; an error there if the environment has
 * GATUN_REQUIRE_NATIVE=1.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("nvidia")
@ExtendWith(NvidiaTest.Condition.class)
public @interface NvidiaTest {
  /** What the test needs. */
  CudaLibrary[] value();

  final class Condition implements ExecutionCondition {
    static {
      String wheels = System.getenv("GATUN_TEST_NVIDIA");
      if (wheels != null) {
        System.setProperty(LibrarySearch.FOLDERS, Stream.of("cu13", "cudnn", "nccl")
            .map(wheel -> wheels + "/" + wheel + "/lib")
            .collect(Collectors.joining(File.pathSeparator)));
      }
    }

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
      NvidiaTest needs = AnnotationSupport.findAnnotation(context.getElement(), NvidiaTest.class)
          .or(() -> AnnotationSupport.findAnnotation(context.getRequiredTestClass(), NvidiaTest.class))
          .orElseThrow();
      try {
        for (CudaLibrary library : needs.value()) {
          library.open();
        }
        return NativeRequirement.enabledUnless("");
      } catch (MissingLibraryException e) {
        return NativeRequirement.enabledUnless(e.getMessage());
      }
    }
  }
}
