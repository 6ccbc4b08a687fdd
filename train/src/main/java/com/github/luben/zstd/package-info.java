/**
 * A stand-in for the native library of this name, which the parquet reader asks for by name: one method, on Java code,
 * so that no native code is loaded.
 */
package com.github.luben.zstd;
