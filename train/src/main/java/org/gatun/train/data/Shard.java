package org.gatun.train.data;

/** A finished file of tokens: its name in the folder, what it holds, and its SHA-256 in hexadecimal. */
record Shard(String name, Split split, long tokens, long bytes, String sha256) {}
