/** What tests of several packages need: on which libraries they run, and what NVIDIA's headers declare. */
package org.gatun.cuda.testing;
