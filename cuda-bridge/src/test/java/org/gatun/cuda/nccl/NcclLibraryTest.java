package org.gatun.cuda.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.gatun.cuda.CudaException;
import org.gatun.cuda.JavaProcess;
import org.gatun.cuda.NvidiaLibraries;
import org.gatun.cuda.ffi.CudaLibrary;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What NVIDIA's NCCL does without a device. */
@Tag("nvidia")
class NcclLibraryTest {
  @BeforeAll
  static void openLibrary() {
    NvidiaLibraries.require(CudaLibrary.NCCL);
  }

  @Test
  void bindsEveryFunctionAndKnowsItsVersion() {
    assertTrue(NcclComm.status().isUsable(), () -> NcclComm.status().whyNot());
    assertTrue(NcclLibrary.version() >= 21_800);
    assertEquals("2.30.7", NcclLibrary.versionText(23_007));
  }

  @Test
  void givesEachProcessTheSameIdByItsAddress() throws IOException, InterruptedException {
    String here = UniqueId.at("127.0.0.1", 29_511);
    Process process = JavaProcess.start(UniqueId.class, "127.0.0.1", "29511");
    String there = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertEquals(0, process.waitFor(), there);
    assertEquals(256, here.length());
    assertEquals(here, there);
    assertNotEquals(here, UniqueId.at("127.0.0.1", 29_512));
  }

  @Test
  void explainsWhatItRefuses() {
    var refused = assertThrows(CudaException.class,
        () -> NcclLibrary.allReduce(0, 0, 1, NcclType.FLOAT32, NcclOp.SUM, 0, 0));
    assertEquals(4, refused.status());
    assertEquals("ncclInvalidArgument", refused.statusName());
    assertTrue(refused.getMessage().contains("comm argument is NULL"), refused.getMessage());
  }

  @Test
  void endsAGroupWithNothingInIt() {
    NcclLibrary.groupStart();
    NcclLibrary.groupEnd();
    var refused = assertThrows(CudaException.class, NcclLibrary::groupEnd);
    assertEquals("ncclInvalidUsage", refused.statusName());
  }

  @Test
  void namesEachStatusThatTheLibraryHasASentenceFor() {
    for (int status = 0; status <= NcclLibrary.TIMEOUT; status++) {
      assertTrue(NcclLibrary.statusName(status).startsWith("nccl"));
    }
    assertTrue(NcclLibrary.errorString(6).contains("remote"), NcclLibrary.errorString(6));
  }
}
