package org.gatun.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import org.gatun.tensor.Memory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HostPoolTest {
  @ParameterizedTest
  @CsvSource({
    "0, 512",
    "1, 512",
    "512, 512",
    "513, 1024",
    "1048575, 1048576",
    "1048576, 1048576",
    "1048577, 1179648",
    "3000000, 3145728",
    "4194304, 4194304",
    "4194305, 4718592",
    "5000000000, 5368709120"
  })
  void sizesAreRoundedUp(long asked, long given) {
    assertEquals(given, Memory.rounded(asked));
  }

  @Test
  void blocksAreAligned() {
    try (var pool = new HostPool()) {
      for (long size = 1; size < 5_000_000; size = size * 3 + 1) {
        Memory.Host block = pool.take(size);
        assertEquals(0, block.segment().address() % 64);
        assertTrue(block.byteSize() >= size);
      }
    }
  }

  @Test
  void lastBlockGivenIsFirstTaken() {
    try (var pool = new HostPool()) {
      Memory.Host a = pool.take(1000);
      Memory.Host b = pool.take(1000);
      pool.give(a);
      pool.give(b);
      assertSame(b, pool.take(700));
      assertSame(a, pool.take(1000));
    }
  }

  @Test
  void repeatedStepsReserveNothingMore() {
    try (var pool = new HostPool()) {
      step(pool);
      long reserved = pool.bytesReserved();
      for (int i = 0; i < 5; i++) {
        step(pool);
        assertEquals(reserved, pool.bytesReserved());
        assertEquals(0, pool.bytesInUse());
      }
    }
  }

  private static void step(HostPool pool) {
    var blocks = new ArrayList<Memory.Host>();
    for (long size = 100; size < 3_000_000; size = size * 2 + 13) {
      blocks.add(pool.take(size));
    }
    blocks.forEach(pool::give);
  }

  @Test
  void closedPoolRefusesToGiveAndIgnoresWhatComesBack() {
    var pool = new HostPool();
    Memory.Host block = pool.take(10);
    pool.close();
    pool.give(block);
    pool.close();
    var refusal = assertThrows(IllegalStateException.class, () -> pool.take(10));
    assertTrue(refusal.getMessage().startsWith("take: the device is closed"));
  }

  @Test
  void negativeSizeIsRefused() {
    try (var pool = new HostPool()) {
      assertThrows(IllegalArgumentException.class, () -> pool.take(-1));
    }
  }
}
