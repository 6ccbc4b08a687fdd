/**
 * What devices are held to: every operation's forward in double precision, the situations each is tried in, and checks that run them on
 * any device. The tests run them, and so does {@code gatun selftest} on the machine at hand.
 */
package org.gatun.proof;
