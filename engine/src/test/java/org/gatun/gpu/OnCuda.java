package org.gatun.gpu;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Tests that need a CUDA device: run by the build on the emulator, and with {@code -Dgroups=gpu} on a card. Skipped with
 * the reason where there is none; failed instead where GATUN_REQUIRE_NATIVE=1 is in the environment.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("emulator")
@Tag("gpu")
@ExtendWith(CudaCondition.class)
public @interface OnCuda {}
