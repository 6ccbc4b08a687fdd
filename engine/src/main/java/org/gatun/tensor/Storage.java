package org.gatun.tensor;

/** The memory behind a tensor and all its views, and whether it is still theirs. */
final class Storage {
  private final Memory memory;
  private volatile boolean released;
  private int uses;
  private int holders;

  Storage(Memory memory) {
    this.memory = memory;
  }

  Memory memory() {
    return memory;
  }

  boolean isReleased() {
    return released;
  }

  /** Called by the owning scope, which for a forgotten one means the cleaner's thread. */
  void markReleased() {
    released = true;
  }

  /** How many recorded operations read the memory in their backward pass, through whichever view. */
  int uses() {
    return uses;
  }

  void countUse() {
    uses++;
  }

  /** Whether a pending gradient is kept in this memory. */
  boolean isHeld() {
    return holders > 0;
  }

  /** One more pending gradient is kept in this memory. */
  void addHolder() {
    holders++;
  }

  /** One pending gradient less; true if it was the last. */
  boolean dropHolder() {
    return --holders == 0;
  }
}
