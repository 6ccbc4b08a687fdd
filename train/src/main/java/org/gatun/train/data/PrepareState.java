package org.gatun.train.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;

/**
 * Where a preparation stands, as its folder remembers it: what a process that ended at any instant goes on from.
 *
 * @param options that may not change
 * @param sources as {@link #describe} has them
 * @param survey null where none was needed, or before it is done
 * @param chunks that are in the output
 * @param shards that are whole
 * @param begun tokens in the begun file of each split
 * @param documents of each split
 * @param textBytes that were encoded
 * @param repaired pieces that had bytes that are no UTF-8
 */
record PrepareState(
    Map<String, String> options,
    List<Map<String, Object>> sources,
    Survey survey,
    long chunks,
    Chunk.Place place,
    List<Shard> shards,
    long[] begun,
    long[] documents,
    long textBytes,
    long repaired) {
  static final String NAME = ".prepare.json";

  static PrepareState begin(PrepareOptions options, List<Source> sources) {
    return new PrepareState(
        options.toMap(), describe(sources), null, 0, Chunk.Place.START, List.of(), new long[2], new long[2], 0, 0);
  }

  PrepareState with(Survey found) {
    return new PrepareState(
        options, sources, found, chunks, place, shards, begun, documents, textBytes, repaired);
  }

  /** Name, length and time of change of each file. */
  static List<Map<String, Object>> describe(List<Source> sources) {
    var list = new ArrayList<Map<String, Object>>();
    for (Source source : sources) {
      var map = new LinkedHashMap<String, Object>();
      map.put("path", source.path().toString());
      map.put("bytes", source.bytes());
      map.put("modified_ms", source.modified());
      list.add(map);
    }
    return list;
  }

  void write(Path folder) throws IOException {
    var json = new LinkedHashMap<String, Object>();
    json.put("gatun_prepare", 1);
    json.put("options", options);
    json.put("sources", sources);
    json.put("survey", survey == null ? null : survey.toJson());
    json.put("chunks", chunks);
    json.put("source", place.source());
    json.put("records", place.records());
    json.put("split", place.split() == null ? null : place.split().toString());
    json.put("shards", shards.stream().map(PrepareState::toJson).toList());
    json.put("begun", List.of(begun[0], begun[1]));
    json.put("documents", List.of(documents[0], documents[1]));
    json.put("text_bytes", textBytes);
    json.put("repaired", repaired);
    AtomicFile.write(folder.resolve(NAME), Json.text(json));
  }

  static Map<String, Object> toJson(Shard shard) {
    var json = new LinkedHashMap<String, Object>();
    json.put("name", shard.name());
    json.put("split", shard.split().toString());
    json.put("tokens", shard.tokens());
    json.put("bytes", shard.bytes());
    json.put("sha256", shard.sha256());
    return json;
  }

  /** The state of a folder; null where nothing was begun. */
  static PrepareState read(Path folder) throws IOException {
    Path file = folder.resolve(NAME);
    if (!Files.exists(file)) {
      return null;
    }
    Map<String, Object> json = Json.read(file);
    try {
      var options = new TreeMap<String, String>();
      ((Map<?, ?>) json.get("options")).forEach((key, value) -> options.put((String) key, (String) value));
      return new PrepareState(
          options,
          sources(json.get("sources")),
          Survey.of(json.get("survey")),
          (Long) json.get("chunks"),
          new Chunk.Place(
              Math.toIntExact((Long) json.get("source")), (Long) json.get("records"), split(json.get("split"))),
          ((List<?>) json.get("shards")).stream().map(PrepareState::shard).toList(),
          numbers(json.get("begun")),
          numbers(json.get("documents")),
          (Long) json.get("text_bytes"),
          (Long) json.get("repaired"));
    } catch (ClassCastException | NullPointerException | ArithmeticException | IndexOutOfBoundsException e) {
      throw new MalformedFileException(
          file, "is not the state of a preparation as gatun writes it; delete the folder and begin again", e);
    }
  }

  private static Split split(Object name) {
    return name == null ? null : name.equals(Split.VAL.toString()) ? Split.VAL : Split.TRAIN;
  }

  private static Shard shard(Object json) {
    Map<?, ?> map = (Map<?, ?>) json;
    return new Shard(
        (String) map.get("name"),
        split(map.get("split")),
        (Long) map.get("tokens"),
        (Long) map.get("bytes"),
        (String) map.get("sha256"));
  }

  private static long[] numbers(Object json) {
    List<?> list = (List<?>) json;
    return new long[]{(Long) list.get(0), (Long) list.get(1)};
  }

  private static List<Map<String, Object>> sources(Object json) {
    var sources = new ArrayList<Map<String, Object>>();
    for (Object element : (List<?>) json) {
      var map = new LinkedHashMap<String, Object>();
      ((Map<?, ?>) element).forEach((key, value) -> map.put((String) key, value));
      sources.add(map);
    }
    return sources;
  }
}
