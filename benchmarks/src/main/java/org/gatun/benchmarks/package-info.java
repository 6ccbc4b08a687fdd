/**
 * Measurements: JMH benchmarks a kernel family each, beside the machine's peak, and whole training
 * steps beside PyTorch's. Nothing depends on this module.
 */
package org.gatun.benchmarks;
