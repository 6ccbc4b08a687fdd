/** The compiler of CUDA's C++ at run time, which needs neither a driver nor a toolkit's headers, and the folder that keeps what it made. */
package org.gatun.cuda.nvrtc;
