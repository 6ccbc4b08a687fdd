/**
 * Several processes that train one model, each on its own device: who they are to each other, and how their gradients become one. Knows
 * parameters and their gradients, but neither layers nor models nor kernels.
 */
package org.gatun.dist;
