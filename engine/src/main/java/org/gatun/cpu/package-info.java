/**
 * The processor as a device: memory off the heap, a team of threads, and the kernel families on the
 * Vector API; what a training in F32 needs also in machine code, where it is written for the processor.
 *
 * <p>This package reads and writes bytes; it never sees tapes, parameters or models. Only {@link
 * org.gatun.cpu.CpuDevice} is public. A kernel cuts its work by shape alone, so that results do not
 * depend on the number of threads.
 */
package org.gatun.cpu;
