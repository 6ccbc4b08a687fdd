/**
 * Layers: names, shapes and initial values of parameters, and how they are applied.
 *
 * <p>A layer adds its parameters to {@link org.gatun.tensor.Parameters} when it is built and holds
 * them from then on. This package knows tensors and parameters; it never sees memory or kernels.
 */
package org.gatun.nn;
