package org.gatun.train.data;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.gatun.io.AtomicFile;

/**
 * The files of a split, one after the other. A file has a hidden name until it is whole; what it held when it was
 * last forced to the disk is where a killed process goes on.
 */
final class ShardWriter implements Closeable {
  private final Path folder;
  private final Split split;
  private final TokenFormat format;
  private final int width;
  private final long shardTokens;
  private final List<Shard> finished = new ArrayList<>();
  private FileChannel channel;
  private long tokens;

  /** Goes on after the finished files with one of {@code begunTokens}, cutting off what was written later. */
  ShardWriter(Path folder, Split split, PrepareOptions options, int width, List<Shard> finished, long begunTokens)
      throws IOException {
    this.folder = folder;
    this.split = split;
    this.format = options.format();
    this.width = width;
    this.shardTokens = format.isSharded() ? options.shardTokens() : Long.MAX_VALUE;
    finished.stream().filter(shard -> shard.split() == split).forEach(this.finished::add);
    this.tokens = begunTokens;
    reopen();
  }

  private void reopen() throws IOException {
    Path whole = folder.resolve(name());
    if (Files.exists(whole)) {
      AtomicFile.rename(whole, begun()); // it was completed, but the process ended before it could say so
    }
    if (tokens == 0) {
      Files.deleteIfExists(begun());
      return;
    }
    long length = format.headerBytes() + tokens * width;
    if (!Files.exists(begun()) || Files.size(begun()) < length) {
      throw new IOException(
          begun() + " is not there as it was left; delete the folder " + folder + " and begin again");
    }
    channel = FileChannel.open(begun(), StandardOpenOption.WRITE);
    channel.truncate(length);
    channel.position(length);
  }

  private String name() {
    return format.fileName(split, finished.size());
  }

  private Path begun() {
    return folder.resolve("." + name() + ".part");
  }

  /** Appends whole tokens; true if that has made a file whole. */
  boolean write(byte[] bytes, int length) throws IOException {
    int files = finished.size();
    int at = 0;
    while (at < length) {
      if (channel == null) {
        open();
      }
      int count = (int) Math.min((length - at) / width, shardTokens - tokens);
      int part = count * width;
      write(ByteBuffer.wrap(bytes, at, part));
      at += part;
      tokens += count;
      if (tokens == shardTokens) {
        finish();
      }
    }
    return finished.size() > files;
  }

  private void open() throws IOException {
    channel =
        FileChannel.open(
            begun(),
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE);
    write(ByteBuffer.wrap(format.header(0, width)));
  }

  private void write(ByteBuffer bytes) throws IOException {
    try {
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    } catch (IOException e) {
      throw new IOException(
          "%s could not be written: %s; make room and run the same command again, it goes on where it was"
              .formatted(folder.resolve(name()), e.getMessage()),
          e);
    }
  }

  /** Makes the begun file whole, if there is one. */
  void finish() throws IOException {
    if (channel == null) {
      return;
    }
    channel.position(0);
    write(ByteBuffer.wrap(format.header(tokens, width)));
    force();
    close();
    String sha256 = Sha256.of(begun());
    Path whole = folder.resolve(name());
    long bytes = Files.size(begun());
    AtomicFile.rename(begun(), whole);
    finished.add(new Shard(whole.getFileName().toString(), split, tokens, bytes, sha256));
    tokens = 0;
  }

  /** Makes all that was written outlive a power failure. */
  void force() throws IOException {
    if (channel != null) {
      channel.force(false);
    }
  }

  List<Shard> finished() {
    return List.copyOf(finished);
  }

  /** Tokens in the begun file. */
  long begunTokens() {
    return tokens;
  }

  /** All tokens written. */
  long tokens() {
    return tokens + finished.stream().mapToLong(Shard::tokens).sum();
  }

  /** Leaves a begun file as it is. */
  @Override
  public void close() throws IOException {
    if (channel != null) {
      channel.close();
      channel = null;
    }
  }
}
