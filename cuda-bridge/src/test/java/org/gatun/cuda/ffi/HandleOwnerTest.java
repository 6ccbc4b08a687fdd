package org.gatun.cuda.ffi;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class HandleOwnerTest {
  private final List<Long> ended = new ArrayList<>();
  private final HandleOwner owner = new HandleOwner("device 7", () -> {
  });

  @Test
  void ownerEndsWhatIsOpenTheLatestFirst() {
    owner.own("stream", 1, ended::add);
    NativeHandle second = owner.own("event", 2, ended::add);
    owner.own("module", 3, ended::add);
    second.close();
    assertEquals(2, owner.openHandles());
    owner.close();
    assertEquals(List.of(2L, 3L, 1L), ended);
  }

  @Test
  void closingTwiceEndsOnce() {
    NativeHandle handle = owner.own("stream", 1, ended::add);
    handle.close();
    handle.close();
    owner.close();
    owner.close();
    handle.close();
    assertEquals(List.of(1L), ended);
  }

  @Test
  void closedHandleHasNoValue() {
    NativeHandle handle = owner.own("stream", 1, ended::add);
    assertEquals(1, handle.value());
    handle.close();
    var refused = assertThrows(IllegalStateException.class, handle::value);
    assertEquals("the stream is closed; nothing may use it any more", refused.getMessage());
  }

  @Test
  void closedOwnerRefuses() {
    NativeHandle handle = owner.own("stream", 1, ended::add);
    owner.close();
    assertEquals("device 7 is closed; open it again before using it",
        assertThrows(IllegalStateException.class, handle::value).getMessage());
  }

  @Test
  void otherThreadIsRefusedAndEndsNothing() throws InterruptedException {
    NativeHandle handle = owner.own("stream", 1, ended::add);
    for (Runnable call : List.<Runnable>of(handle::value, handle::close, owner::close, owner::enter)) {
      var refused = new AtomicReference<RuntimeException>();
      Thread other = new Thread(() -> refused.set(assertThrows(IllegalStateException.class, call::run)), "other");
      other.start();
      other.join();
      assertEquals("device 7 belongs to thread \"" + Thread.currentThread().getName()
          + "\", and thread \"other\" called it; use it and all made from it on the thread that opened it",
          refused.get().getMessage());
    }
    assertEquals(List.of(), ended);
    assertEquals(1, handle.value());
  }

  @Test
  void failureWhileEndingIsRaisedByTheNextCallOnce() {
    var failure = new IllegalArgumentException("cannot end");
    NativeHandle first = owner.own("stream", 1, _ -> {
      throw failure;
    });
    NativeHandle second = owner.own("event", 2, ended::add);
    assertDoesNotThrow(first::close);
    assertSame(failure, assertThrows(IllegalArgumentException.class, second::value));
    assertEquals(2, second.value());
    assertEquals(1, owner.openHandles());
  }

  @Test
  void failureWhileClosingTheOwnerIsRaisedAfterAllElseHasEnded() {
    owner.own("stream", 1, ended::add);
    owner.own("event", 2, _ -> {
      throw new IllegalArgumentException("cannot end");
    });
    assertThrows(IllegalArgumentException.class, owner::close);
    assertEquals(List.of(1L), ended);
  }

  @Test
  void forgottenHandleIsEndedByTheOwnersThreadAndNotDuringACapture() throws InterruptedException {
    var thread = new AtomicReference<Thread>();
    forget(thread);
    owner.setCapturing(true);
    NativeHandle kept = owner.own("event", 2, ended::add);
    for (int i = 0; i < 20; i++) {
      System.gc();
      Thread.sleep(5);
      kept.value();
    }
    assertEquals(List.of(), ended, "during a capture");
    owner.setCapturing(false);
    for (int i = 0; i < 200 && ended.isEmpty(); i++) {
      System.gc();
      Thread.sleep(5);
      kept.value();
    }
    assertEquals(List.of(1L), ended);
    assertSame(Thread.currentThread(), thread.get());
  }

  private void forget(AtomicReference<Thread> thread) {
    List<Long> list = ended;
    NativeHandle forgotten = owner.own("stream", 1, value -> {
      thread.set(Thread.currentThread());
      list.add(value);
    });
    assertEquals(1, forgotten.value());
  }

  @Test
  void heldUntilClosedSurvivesBeingForgotten() throws InterruptedException {
    owner.ownUntilClosed("block of pinned memory", 1, ended::add);
    for (int i = 0; i < 10; i++) {
      System.gc();
      Thread.sleep(5);
      owner.enter();
    }
    assertEquals(List.of(), ended);
    owner.close();
    assertEquals(List.of(1L), ended);
    assertTrue(owner.openHandles() == 0);
  }
}
