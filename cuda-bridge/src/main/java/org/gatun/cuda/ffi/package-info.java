/**
 * How this module reaches native code: libraries found and opened, functions bound to a few call shapes, handles that know how they end.
 * Internal to the bridge; knows addresses and status codes only.
 */
package org.gatun.cuda.ffi;
