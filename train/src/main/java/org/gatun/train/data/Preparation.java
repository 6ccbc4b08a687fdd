package org.gatun.train.data;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.gatun.io.AtomicFile;
import org.gatun.io.Json;
import org.gatun.io.MalformedFileException;
import org.gatun.model.ByteTokenizer;
import org.gatun.model.CharacterTokenizer;
import org.gatun.model.Gpt2Tokenizer;
import org.gatun.model.Tokenizer;

/**
 * Makes a folder of token files from texts. The process may end at any instant: the same call goes on from the last
 * state on the disk, and the folder is in the end what it would have been, byte for byte.
 */
public final class Preparation {
  private static final String LOCK = ".prepare.lock";

  private final List<Source> sources;
  private final PrepareOptions options;
  private final Path folder;
  private final Map<String, String> versions;
  private final Progress progress;
  private final long fileBytes;
  private PrepareState state;
  private long tokensMade;
  private long textMade;

  /** What came of it. */
  public record Result(long trainTokens, long validationTokens, long repaired) {}

  /** Prepares {@code sources} into {@code folder}; {@code versions} go into the manifest. */
  public Preparation(
      List<Source> sources, PrepareOptions options, Path folder, Map<String, String> versions, Progress progress) {
    this.sources = List.copyOf(sources);
    this.options = options;
    this.folder = folder;
    this.versions = versions;
    this.progress = progress;
    this.fileBytes = sources.stream().mapToLong(Source::bytes).sum();
  }

  /**
   * Goes on until all is done; at once where it is done already.
   *
   * @throws IOException if a source or the folder cannot be used; what is on the disk can be gone on from
   */
  public Result run() throws IOException {
    Files.createDirectories(folder);
    Path lockFile = folder.resolve(LOCK);
    Result result;
    try (var channel = FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock _ = lock(channel)) {
      result = runAlone();
    }
    Files.deleteIfExists(lockFile);
    return result;
  }

  /**
   * @throws IOException if the folder was begun and is not done
   */
  public static void requireComplete(Path folder) throws IOException {
    if (Files.exists(folder.resolve(PrepareState.NAME)) && !Files.exists(folder.resolve(DataManifest.NAME))) {
      throw new IOException(folder + " is not complete; run the same gatun prepare again, it goes on where it was");
    }
  }

  private FileLock lock(FileChannel channel) throws IOException {
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      throw new IOException(folder + " is being prepared by another process; wait for it or give another folder");
    }
    return lock;
  }

  private Result runAlone() throws IOException {
    if (Files.exists(folder.resolve(DataManifest.NAME))) {
      return finished();
    }
    state = PrepareState.read(folder);
    if (state == null) {
      requireFree();
      state = PrepareState.begin(options, sources);
      state.write(folder);
    } else {
      requireSame(state.options(), state.sources());
    }
    try (var pipeline = new Pipeline(options.threads())) {
      if (state.survey() == null && (options.tail() || isCharacters())) {
        state = state.with(survey(pipeline));
        state.write(folder);
      }
      return encode(pipeline);
    }
  }

  private boolean isCharacters() {
    return options.tokenizer().equals("char");
  }

  /** Whatever else is in the folder could be taken for ours later. */
  private void requireFree() throws IOException {
    try (var files = Files.list(folder)) {
      List<String> there = files.map(file -> file.getFileName().toString()).filter(name -> !name.equals(LOCK)).toList();
      if (!there.isEmpty()) {
        throw new IOException(
            folder + " is not empty (" + there.getFirst() + " is in it); give a new folder for the output");
      }
    }
  }

  private void requireSame(Map<String, String> before, List<Map<String, Object>> sourcesBefore) throws IOException {
    for (var option : options.toMap().entrySet()) {
      if (!option.getValue().equals(before.get(option.getKey()))) {
        throw new IOException(
            "%s was begun with --%s %s, not %s; give the same options to go on, or a new folder"
                .formatted(folder, option.getKey(), before.get(option.getKey()), option.getValue()));
      }
    }
    List<Map<String, Object>> now = PrepareState.describe(sources);
    if (!now.equals(sourcesBefore)) {
      var changed = new ArrayList<>(now);
      changed.removeAll(sourcesBefore);
      var gone = new ArrayList<>(sourcesBefore);
      gone.removeAll(now);
      Object which = changed.isEmpty() ? gone.isEmpty() ? "their order" : gone.getFirst().get("path")
          : changed.getFirst().get("path");
      throw new IOException(
          "%s was begun with other input: %s differs; give the same files to go on, or a new folder"
              .formatted(folder, which));
    }
  }

  // Before the first text is encoded.

  private Survey survey(Pipeline pipeline) throws IOException {
    var codePoints = new BitSet();
    var counts = new ArrayList<Long>();
    try (var reader = new ChunkReader(sources, cutter(), options, Chunk.Place.START, 0)) {
      pipeline.run(
          reader,
          chunk -> surveyed(chunk),
          (_, part) -> {
            codePoints.or(part.codePoints());
            counts.add(part.characters());
            textMade += part.characters();
            progress.at(true, reader.position(), fileBytes, textMade, 0);
          });
    }
    textMade = 0;
    if (codePoints.isEmpty()) {
      throw noText();
    }
    long total = counts.stream().mapToLong(Long::longValue).sum();
    long left = (long) Math.floor(total * (1 - options.valFraction()));
    int chunk = 0;
    while (chunk < counts.size() && left >= counts.get(chunk)) {
      left -= counts.get(chunk++);
    }
    int[] different = isCharacters() ? codePoints.stream().toArray() : new int[0];
    return new Survey(new String(different, 0, different.length), chunk, left);
  }

  private Survey.Part surveyed(Chunk chunk) throws IOException {
    var codePoints = new BitSet();
    long characters = 0;
    for (Piece piece : chunk.pieces()) {
      byte[] text = piece.json() ? JsonText.of(piece, options.textField()) : piece.bytes();
      if (text != null) {
        Survey.Part part = Survey.part(text, options.tokenizer().equals("byte"));
        codePoints.or(part.codePoints());
        characters += part.characters();
      }
    }
    return new Survey.Part(codePoints, characters);
  }

  /** Cuts long texts as the tokenizer will, which may not be known yet. */
  private Tokenizer cutter() {
    return options.tokenizer().equals("gpt2") ? new Gpt2Tokenizer() : new ByteTokenizer();
  }

  private Tokenizer tokenizer() {
    return switch (options.tokenizer()) {
      case "gpt2" -> new Gpt2Tokenizer();
      case "char" -> new CharacterTokenizer(state.survey().characters().codePoints().toArray());
      case "byte" -> new ByteTokenizer();
      default -> throw new IllegalArgumentException("no tokenizer is called " + options.tokenizer());
    };
  }

  private IOException noText() {
    return new IOException(
        sources.getFirst().path() + (sources.size() > 1 ? " and the other files" : "") + " hold no text");
  }

  // Encoding.

  private Result encode(Pipeline pipeline) throws IOException {
    Tokenizer tokenizer = tokenizer();
    var encoder = new Encoder(tokenizer, options, state.survey());
    try (var reader = new ChunkReader(sources, tokenizer, options, state.place(), state.chunks());
        var train = writer(Split.TRAIN, encoder.width());
        var validation = writer(Split.VAL, encoder.width())) {
      var writers = List.of(train, validation);
      var counts = new Counts(state);
      pipeline.run(reader, encoder::encode, (chunk, encoded) -> {
        boolean due = counts.add(encoded) >= options.commitBytes();
        for (ShardWriter writer : writers) {
          Split split = writer == train ? Split.TRAIN : Split.VAL;
          due |= writer.write(encoded.bytes(split), encoded.length(split));
          tokensMade += encoded.length(split) / encoder.width();
        }
        if (due) {
          commit(writers, counts, chunk.number() + 1, chunk.after());
        }
        textMade += encoded.textBytes();
        progress.at(false, reader.position(), fileBytes, textMade, tokensMade);
      });
      if (train.tokens() + validation.tokens() == 0) {
        throw noText();
      }
      return finish(tokenizer, encoder.width(), writers, counts);
    }
  }

  private ShardWriter writer(Split split, int width) throws IOException {
    return new ShardWriter(folder, split, options, width, state.shards(), state.begun()[split.ordinal()]);
  }

  /** What is counted beside tokens. */
  private static final class Counts {
    private final long[] documents;
    private long textBytes;
    private long repaired;
    private long sinceCommit;

    Counts(PrepareState from) {
      documents = from.documents().clone();
      textBytes = from.textBytes();
      repaired = from.repaired();
    }

    /** Returns the bytes of text since the last commit. */
    long add(Encoded encoded) {
      for (Split split : Split.values()) {
        documents[split.ordinal()] += encoded.documents(split);
      }
      textBytes += encoded.textBytes();
      repaired += encoded.repaired();
      return sinceCommit += encoded.textBytes();
    }
  }

  private void commit(List<ShardWriter> writers, Counts counts, long chunks, Chunk.Place place) throws IOException {
    var shards = new ArrayList<Shard>();
    var begun = new long[2];
    for (int i = 0; i < 2; i++) {
      writers.get(i).force();
      shards.addAll(writers.get(i).finished());
      begun[i] = writers.get(i).begunTokens();
    }
    state =
        new PrepareState(
            state.options(), state.sources(), state.survey(), chunks, place, shards, begun,
            counts.documents.clone(), counts.textBytes, counts.repaired);
    state.write(folder);
    counts.sinceCommit = 0;
  }

  private Result finish(Tokenizer tokenizer, int width, List<ShardWriter> writers, Counts counts) throws IOException {
    for (ShardWriter writer : writers) {
      writer.finish();
    }
    if (isCharacters()) {
      tokenizer.save(folder);
    }
    AtomicFile.write(folder.resolve(DataManifest.NAME), manifest(tokenizer, width, writers, counts));
    Files.deleteIfExists(folder.resolve(PrepareState.NAME));
    return new Result(writers.get(0).tokens(), writers.get(1).tokens(), counts.repaired);
  }

  private String manifest(Tokenizer tokenizer, int width, List<ShardWriter> writers, Counts counts) {
    var json = new LinkedHashMap<String, Object>();
    json.put("gatun_data", 1);
    json.put("tokenizer", tokenizer.name());
    json.put("vocab_size", tokenizer.vocabulary());
    json.put("dtype", width == 2 ? "uint16" : "uint32");
    boolean separated =
        tokenizer.endOfText().isPresent() && options.endOfText() != PrepareOptions.EndOfText.NONE;
    json.put("eot_token", separated ? tokenizer.endOfText().getAsInt() : null);
    json.put("train_tokens", writers.get(0).tokens());
    json.put("val_tokens", writers.get(1).tokens());
    json.put("documents", Map.of("train", counts.documents[0], "val", counts.documents[1]).entrySet().stream()
        .collect(java.util.stream.Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue, (a, _) -> a, TreeMap::new)));
    json.put("text_bytes", counts.textBytes);
    json.put("repaired_pieces", counts.repaired);
    var files = new ArrayList<Map<String, Object>>();
    writers.forEach(writer -> writer.finished().forEach(shard -> files.add(PrepareState.toJson(shard))));
    json.put("files", files);
    json.put("options", options.toMap());
    json.put("sources", PrepareState.describe(sources));
    json.put("versions", new TreeMap<>(versions));
    return Json.text(json);
  }

  /** The folder is complete: of this call, or of another? */
  private Result finished() throws IOException {
    Path file = folder.resolve(DataManifest.NAME);
    Map<String, Object> json = Json.read(file);
    if (!(json.get("options") instanceof Map<?, ?> before)
        || !(json.get("sources") instanceof List<?> sourcesBefore)
        || !(json.get("train_tokens") instanceof Long train)
        || !(json.get("val_tokens") instanceof Long validation)) {
      throw new MalformedFileException(file, "is there already, and not by gatun prepare; give a new folder");
    }
    var optionsBefore = new TreeMap<String, String>();
    before.forEach((key, value) -> optionsBefore.put(String.valueOf(key), String.valueOf(value)));
    var maps = new ArrayList<Map<String, Object>>();
    for (Object source : sourcesBefore) {
      var map = new LinkedHashMap<String, Object>();
      if (source instanceof Map<?, ?> entries) {
        entries.forEach((key, value) -> map.put(String.valueOf(key), value));
      }
      maps.add(map);
    }
    requireSame(optionsBefore, maps);
    Files.deleteIfExists(folder.resolve(PrepareState.NAME));
    return new Result(train, validation, json.get("repaired_pieces") instanceof Long count ? count : 0);
  }
}
