package org.gatun.model;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.gatun.io.MalformedFileException;

/** The formats a GPT-2 comes in and goes out as. */
public enum ModelFormat {
  /** A Hugging Face folder; for reading also one safetensors file, or OpenAI's own names of tensors. */
  HF,
  /** llm.c's checkpoint, one file. */
  LLMC,
  /** llama.cpp's GGUF, one file. */
  GGUF;

  /**
   * What a file begins with, or what a folder has in it, decides.
   *
   * @throws IOException if it is none of these
   */
  public static ModelFormat of(Path path) throws IOException {
    if (Files.isDirectory(path) || path.toString().endsWith(".safetensors")) {
      return HF;
    }
    var magic = ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    try (var channel = FileChannel.open(path)) {
      while (magic.hasRemaining() && channel.read(magic) >= 0) {
        continue;
      }
    }
    int found = magic.hasRemaining() ? 0 : magic.flip().getInt();
    return switch (found) {
      case LlmcModel.MAGIC -> LLMC;
      case GgufFile.MAGIC -> GGUF;
      default -> throw new MalformedFileException(path, "begins like no model, expected a Hugging Face folder,"
          + " a .safetensors file, an llm.c checkpoint (magic " + LlmcModel.MAGIC + ") or GGUF");
    };
  }

  /** Whether weights can be written in this type. */
  boolean holds(WeightType type) {
    return this != LLMC || type != WeightType.F16;
  }

  /** The type in which a tensor of ours is written when the whole is asked for in {@code type}. */
  WeightType typeOf(String name, WeightType type) {
    return this == GGUF ? GgufModel.typeOf(name, type) : type;
  }
}
