package org.gatun.cuda.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VersionWindowTest {
  @ParameterizedTest
  @ValueSource(longs = {91000, 91001})
  void releasesOfCudnnWithWrongAttentionAreRefusedByName(long version) {
    String refusal = VersionWindow.whyNotCudnn(version).orElseThrow();
    String name = "cuDNN 9.10." + (version - 91000);
    assertTrue(refusal.startsWith(name + " computes attention in bf16 wrongly"), refusal);
    assertTrue(refusal.contains("pip install nvidia-cudnn-cu13"), refusal);
  }

  @ParameterizedTest
  @ValueSource(longs = {90800, 90900, 91002, 91100, 92400})
  void otherReleasesOfCudnnWillDo(long version) {
    assertEquals(Optional.empty(), VersionWindow.whyNotCudnn(version));
  }

  @Test
  void oldCudnnIsRefused() {
    assertTrue(VersionWindow.whyNotCudnn(90701).orElseThrow().startsWith("cuDNN 9.7.1 is older than 9.8"));
  }

  @Test
  void cudnnAndCublasOfDifferentCudaAreRefusedBeforeTheyMeet() {
    assertTrue(VersionWindow.whyNotTogether(12090, 13).orElseThrow()
        .startsWith("cuDNN is built for CUDA 12 and the cuBLASLt"));
    assertFalse(VersionWindow.whyNotTogether(13030, 13).isPresent());
    assertFalse(VersionWindow.whyNotTogether(13030, 0).isPresent());
  }
}
