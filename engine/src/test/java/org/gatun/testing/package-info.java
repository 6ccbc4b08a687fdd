/** What tests of several packages need: a CUDA device, emulated or real. */
package org.gatun.testing;
