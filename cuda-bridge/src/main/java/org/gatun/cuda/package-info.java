/**
 * NVIDIA's libraries as seen from Java: addresses, status codes and the vendor's own names. Nothing here knows a tensor, a shape or a gradient.
 * No library is linked at build time: a machine without one gets a sentence that says what is missing.
 */
package org.gatun.cuda;
