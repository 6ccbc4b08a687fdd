/**
 * Optimizers, learning-rate schedules and gradient clipping: update rules over the flat buffers of
 * {@link org.gatun.tensor.Parameters}. This package never sees layers, models or bytes.
 */
package org.gatun.optim;
