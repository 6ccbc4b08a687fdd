package org.gatun.train.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;

/**
 * What {@code manifest.json} beside token files says about them; a field that it lacks is 0, null or empty, so that
 * manifests of other programs are understood too.
 *
 * @param vocabulary its {@code vocab_size}
 * @param tokenizer its {@code tokenizer}
 * @param width bytes of a token without header, by its {@code dtype}: 2 or 4
 * @param endOfText the token between documents; -1 if there is none
 * @param files of the folder, with hashes
 * @param documents of the training and of the validation split
 */
public record DataManifest(
    int vocabulary, String tokenizer, int width, int endOfText, List<Entry> files, Map<String, Long> documents) {
  /** The name of the file. */
  public static final String NAME = "manifest.json";

  private static final DataManifest NONE = new DataManifest(0, null, 2, -1, List.of(), Map.of());

  /** A file with its tokens, its length and its SHA-256 in hexadecimal. */
  public record Entry(String name, long tokens, long bytes, String sha256) {}

  /** The manifest of a folder, or one that says nothing where there is none. */
  public static DataManifest of(Path folder) throws IOException {
    Path file = folder.resolve(NAME);
    return Files.exists(file) ? read(file) : NONE;
  }

  private static DataManifest read(Path file) throws IOException {
    Map<String, Object> json = Json.read(file);
    long vocabulary = json.get("vocab_size") instanceof Long size ? size : 0;
    if (vocabulary < 0 || vocabulary > Integer.MAX_VALUE) {
      throw new MalformedFileException(file, "a vocab_size of " + vocabulary + ", expected a number of tokens");
    }
    Object dtype = json.getOrDefault("dtype", "uint16");
    if (!"uint16".equals(dtype) && !"uint32".equals(dtype)) {
      throw new MalformedFileException(
          file,
          "a dtype of " + MalformedFileException.quote(String.valueOf(dtype)) + ", expected uint16 or uint32");
    }
    return new DataManifest(
        (int) vocabulary,
        json.get("tokenizer") instanceof String name ? name : null,
        dtype.equals("uint16") ? 2 : 4,
        json.get("eot_token") instanceof Long token ? Math.toIntExact(Math.clamp(token, -1, Integer.MAX_VALUE)) : -1,
        entries(file, json.get("files")),
        documents(json.get("documents")));
  }

  private static List<Entry> entries(Path file, Object json) throws MalformedFileException {
    var entries = new ArrayList<Entry>();
    if (json instanceof List<?> list) {
      for (Object element : list) {
        if (element instanceof Map<?, ?> map
            && map.get("name") instanceof String name
            && isPlain(name)
            && map.get("tokens") instanceof Long tokens
            && map.get("bytes") instanceof Long bytes
            && map.get("sha256") instanceof String sha256) {
          entries.add(new Entry(name, tokens, bytes, sha256));
        } else {
          throw new MalformedFileException(
              file, "\"files\" has an entry without name, tokens, bytes or sha256; make the data again");
        }
      }
    }
    return List.copyOf(entries);
  }

  /** A name cannot lead out of the folder. */
  private static boolean isPlain(String name) {
    return !name.isEmpty() && !name.contains("/") && !name.contains("\\") && !name.contains("\0") && !name.equals("..");
  }

  private static Map<String, Long> documents(Object json) {
    var documents = new LinkedHashMap<String, Long>();
    if (json instanceof Map<?, ?> map) {
      map.forEach((split, count) -> {
        if (count instanceof Long number) {
          documents.put(String.valueOf(split), number);
        }
      });
    }
    return documents;
  }
}
