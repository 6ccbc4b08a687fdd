package org.gatun.cuda.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NcclEnvironmentTest {
  @ParameterizedTest
  @CsvSource({"node-1, node-1:29500", "10.0.0.1, 10.0.0.1:29500", "fe80::1, [fe80::1]:29500", "[::1], [::1]:29500"})
  void writesAddressesAsNcclReadsThem(String host, String expected) {
    assertEquals(expected, NcclEnvironment.rendezvous(host, 29_500));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "  ", "two words"})
  void refusesHostsThatAreNone(String host) {
    assertThrows(IllegalArgumentException.class, () -> NcclEnvironment.rendezvous(host, 29_500));
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 0, 65_536})
  void refusesPortsThatAreNone(int port) {
    assertThrows(IllegalArgumentException.class, () -> NcclEnvironment.rendezvous("localhost", port));
  }

  @Test
  void refusesNoHost() {
    assertThrows(IllegalArgumentException.class, () -> NcclEnvironment.rendezvous(null, 29_500));
  }
}
