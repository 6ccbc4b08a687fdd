package org.gatun.cuda.nvrtc;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import org.gatun.cuda.nvrtc.Nvrtc.Program;

/**
 * A folder of compiled kernels, named by a SHA-256 of all that they were made from: texts, options, architecture and the compiler's version.
 * Each file begins with a SHA-256 of the rest: one that was cut or damaged is made again. Processes may share a folder: files appear whole.
 */
public final class KernelCache {
  private static final int DIGEST_BYTES = 32;

  private final Path folder;
  private final Nvrtc nvrtc;
  /** Version and bytes of its file: releases that differ in the third number only, and so in what they make, call themselves the same. */
  private final String compiler;
  private String trouble = "";

  /** Keeps what {@code nvrtc} compiles in {@code folder}, which is made when first needed. */
  public KernelCache(Path folder, Nvrtc nvrtc) {
    this.folder = folder;
    this.nvrtc = nvrtc;
    this.compiler = nvrtc.version() + " " + nvrtc.path().toFile().length();
  }

  /** Where a user's compiled kernels belong: {@code gatun/kernels} below XDG_CACHE_HOME, or below {@code ~/.cache}. */
  public static Path defaultFolder() {
    String cache = System.getenv("XDG_CACHE_HOME");
    // The XDG base directory specification: a relative path is to be ignored.
    Path base = cache != null && Path.of(cache).isAbsolute() ? Path.of(cache)
        : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("gatun").resolve("kernels");
  }

  /** The machine code of {@code program}, from the folder or newly compiled; throws {@link CompilationException}. */
  public byte[] cubin(Program program) {
    Path file = folder.resolve(key(program) + ".cubin");
    byte[] kept = readOrNull(file);
    if (kept != null) {
      return kept;
    }
    byte[] cubin = nvrtc.compile(program).cubin();
    keep(file, cubin);
    return cubin;
  }

  /** Why compiled kernels could not be kept, in one sentence to tell the user once; empty while all is well. */
  public synchronized String trouble() {
    return trouble;
  }

  private String key(Program program) {
    MessageDigest digest = sha256();
    add(digest, "gatun 1", compiler, program.name(), program.source(), Integer.toString(program.computeCapability()));
    program.sortedHeaders().forEach((name, text) -> add(digest, name, text));
    add(digest, program.options().toArray(String[]::new));
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Each text after its length, so that no two lists of texts look the same. */
  private static void add(MessageDigest digest, String... texts) {
    for (String text : texts) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, bytes.length));
      digest.update(bytes);
    }
  }

  private static byte[] readOrNull(Path file) {
    byte[] content;
    try {
      content = Files.readAllBytes(file);
    } catch (IOException _) {
      return null; // not there, or not readable: it is compiled instead
    }
    if (content.length <= DIGEST_BYTES) {
      return null;
    }
    byte[] cubin = Arrays.copyOfRange(content, DIGEST_BYTES, content.length);
    return MessageDigest.isEqual(sha256().digest(cubin), Arrays.copyOf(content, DIGEST_BYTES)) ? cubin : null;
  }

  private void keep(Path file, byte[] cubin) {
    Path part = null;
    try {
      Files.createDirectories(folder);
      part = Files.createTempFile(folder, "part", ".tmp");
      byte[] digest = sha256().digest(cubin);
      byte[] content = Arrays.copyOf(digest, DIGEST_BYTES + cubin.length);
      System.arraycopy(cubin, 0, content, DIGEST_BYTES, cubin.length);
      Files.write(part, content);
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      note(e);
      discard(part);
    }
  }

  private synchronized void note(IOException e) {
    if (trouble.isEmpty()) {
      trouble = "compiled kernels cannot be kept in " + folder + " (" + e
          + "), so each start compiles them again; make it writable";
    }
  }

  private static void discard(Path part) {
    try {
      if (part != null) {
        Files.deleteIfExists(part);
      }
    } catch (IOException _) {
      // A left-over .tmp file is never read.
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }
}
