/**
 * Matrix products with fused epilogues by NVIDIA's cuBLASLt: a plan is made once for a problem and run many times.
 * Matrices are column-major, as the library sees them; nothing here knows a tensor.
 */
package org.gatun.cuda.cublaslt;
