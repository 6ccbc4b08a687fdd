/**
 * Tensors, operations and their derivatives, and who owns what.
 *
 * <p>An operation is a record of what happened ({@link org.gatun.tensor.Node}) that calls one method
 * of a kernel family ({@link org.gatun.tensor.Kernels}). This package knows shapes, dtypes and
 * derivatives; it never looks at bytes, streams or threads, which belong to a {@link
 * org.gatun.tensor.Device}.
 */
package org.gatun.tensor;
