package org.gatun.cuda.cudnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.gatun.cuda.CudaException;
import org.gatun.cuda.ElementType;
import org.gatun.cuda.cudnn.Sdpa.Problem;
import org.gatun.cuda.ffi.CudaLibrary;
import org.gatun.cuda.testing.DriverWithoutDevice;
import org.gatun.cuda.testing.NvidiaTest;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** NVIDIA's cuDNN compiles GPT-2's attention for devices that are not here. */
@NvidiaTest(CudaLibrary.CUDNN)
class SdpaPlanTest {
  private static final int TIME = 1024;
  private static final int HEAD_SIZE = 64;

  // Bytes on Hopper for counters of the kernel; elsewhere none, or dQ in F32 as the kernels of the A100 want it.
  private static final long COUNTERS = 256;

  @BeforeAll
  static void openDriver() {
    DriverWithoutDevice.open();
  }

  @ParameterizedTest
  @CsvSource({"A100, 16, 8", "A100, 20, 2", "A100, 25, 1", "H200, 16, 32", "H200, 20, 16", "H200, 25, 4",
    "B200, 16, 32",
    "B200, 20, 1", "B200, 25, 8"})
  void plansForwardAndBackwardForTheLargerSizesOfGpt2(DescribedDevice device, int heads, int batch) {
    Problem problem = problem(batch, heads, false);
    try (CudnnPlan forward = Sdpa.forwardPlan(problem, device.properties());
        CudnnPlan backward = Sdpa.backwardPlan(problem, device.properties())) {
      assertTrue(forward.candidates() > 0 && backward.candidates() > 0);
      assertTrue(forward.workspaceBytes() <= COUNTERS,
          "forward keeps no scores, but wants " + forward.workspaceBytes());
      assertTrue(backward.workspaceBytes() <= problem.dQSumBytes() + COUNTERS,
          "backward keeps no scores, but wants " + backward.workspaceBytes());
    }
  }

  @ParameterizedTest
  @CsvSource({"A100, 3, 1, 0, 3, 7, 25165952", "H200, 4, 2, 256, 3, 6, 256", "B200, 4, 3, 0, 3, 5, 0"})
  void proposesForTheSmallestGpt2WhatWasSeenOfThisRelease(DescribedDevice device, int forwardCandidates,
      long forwardEngine,
      long forwardBytes, int backwardCandidates, long backwardEngine, long backwardBytes) {
    Problem problem = problem(8, 12, false);
    try (CudnnPlan forward = Sdpa.forwardPlan(problem, device.properties());
        CudnnPlan backward = Sdpa.backwardPlan(problem, device.properties())) {
      assertTrue(forward.candidates() > 0 && backward.candidates() > 0);
      assumeTrue(CudnnLibrary.version() == 92400, "the figures are of cuDNN 9.24.0");
      assertEquals(forwardCandidates, forward.candidates());
      assertEquals(forwardEngine, forward.engine());
      assertEquals(forwardBytes, forward.workspaceBytes());
      assertEquals(backwardCandidates, backward.candidates());
      assertEquals(backwardEngine, backward.engine());
      assertEquals(backwardBytes, backward.workspaceBytes());
      assertEquals(8L * 12 * TIME * HEAD_SIZE * 4, problem.dQSumBytes());
      assertEquals(8L * 12 * TIME * 4, problem.softmaxSumBytes());
    }
  }

  @Test
  void deterministicBackwardKeepsTheScores() {
    Problem problem = problem(8, 12, true);
    assertEquals(0, problem.dQSumBytes());
    try (CudnnPlan backward = Sdpa.backwardPlan(problem, DescribedDevice.H200.properties())) {
      assertEquals(8L * 12 * TIME * TIME * 2 + COUNTERS, backward.workspaceBytes());
    }
  }

  @ParameterizedTest
  @CsvSource({"77, 64, true", "128, 128, false"})
  void plansOtherLengthsAndHeadSizes(int time, int headSize, boolean causal) {
    Problem problem = Problem.packed(2, 3, time, headSize, ElementType.BF16, causal, false);
    try (CudnnPlan forward = Sdpa.forwardPlan(problem, DescribedDevice.H200.properties());
        CudnnPlan backward = Sdpa.backwardPlan(problem, DescribedDevice.H200.properties())) {
      assertTrue(forward.candidates() > 0 && backward.candidates() > 0);
    }
  }

  @Test
  void describesADeviceAsItWasDescribed() {
    String json = DescribedDevice.H200.properties().json();
    assertTrue(json.contains("\"deviceVer\":900") && json.contains("\"multiProcessorCount\":132"), json);
  }

  @Test
  void refusesADescriptionThatLacksSomething() {
    var refused = assertThrows(CudaException.class, () -> DeviceProperties.described("{\"deviceVer\":900}").json());
    assertEquals(2000, refused.status());
    assertTrue(refused.getMessage().contains("HasMember"), refused.getMessage());
  }

  private static Problem problem(int batch, int heads, boolean deterministic) {
    return Problem.packed(batch, heads, TIME, HEAD_SIZE, ElementType.BF16, true, deterministic);
  }
}
