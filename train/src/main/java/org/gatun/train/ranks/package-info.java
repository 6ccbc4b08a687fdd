/**
 * Several processes that train together, as the system sees them: how they are started, how each learns which one it is, and how all of
 * them end when one dies. Knows nothing of tensors; gradients travel by {@code org.gatun.dist}.
 */
package org.gatun.train.ranks;
