package org.gatun.train;

/** One micro-batch: B rows of T inputs and of their targets, row-major. */
record Batch(int[] inputs, int[] targets) {}
