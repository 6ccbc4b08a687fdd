package org.gatun.train;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * Where the options of a command get their values from: the command line, then the environment, a
 * file of properties, the run that is resumed, the preset, and last the default.
 */
final class Origins implements IDefaultValueProvider {
  private static final Set<String> ASKED_OF_THE_PROGRAM =
      Set.of("help", "version", "config", "print-config");

  /**
   * A set of values by option name without dashes; {@code chosen} if the user put them there for
   * this command.
   */
  private record Source(String name, boolean chosen, Map<String, String> values) {}

  private final CommandSpec command;
  private final List<Source> sources = new ArrayList<>();
  private final Map<String, String> derived = new HashMap<>();

  private Origins(CommandSpec command) {
    this.command = command;
  }

  /**
   * The values for a command from the environment and, if it is given, a file; stronger ones first.
   */
  static Origins of(CommandSpec command, Map<String, String> environment, Path file)
      throws IOException {
    var origins = new Origins(command);
    Map<String, String> variables = new HashMap<>();
    for (String key : origins.keys()) {
      String value = environment.get(variable(key));
      if (value != null) {
        variables.put(key, value);
      }
    }
    origins.sources.add(new Source("environment", true, variables));
    if (file != null) {
      origins.sources.add(new Source(file.toString(), true, origins.read(file)));
    }
    return origins;
  }

  private Map<String, String> read(Path file) throws IOException {
    var properties = new Properties();
    try (var reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      properties.load(reader);
    }
    List<String> keys = keys();
    Map<String, String> values = new HashMap<>();
    for (String key : properties.stringPropertyNames()) {
      if (!keys.contains(key)) {
        throw new WrongUse(
            file + ": unknown key " + key + "; did you mean " + Nearest.to(key, keys) + "?");
      }
      values.put(key, properties.getProperty(key).strip());
    }
    return values;
  }

  /** Adds weaker values than those so far, which the user did not choose for this command. */
  void addWeaker(String name, Map<String, String> values) {
    sources.add(new Source(name, false, Map.copyOf(values)));
  }

  /** The value of an option as the environment or a file gives it; null if they do not. */
  String lookUp(String key) {
    return sources.stream()
        .map(source -> source.values().get(key))
        .filter(value -> value != null)
        .findFirst()
        .orElse(null);
  }

  /** The options' names without dashes. */
  private List<String> keys() {
    return command.options().stream()
        .map(Origins::key)
        .filter(key -> !ASKED_OF_THE_PROGRAM.contains(key))
        .sorted()
        .toList();
  }

  static String key(OptionSpec option) {
    return option.longestName().replaceFirst("^--", "");
  }

  private static String variable(String key) {
    return "GATUN_" + key.toUpperCase(Locale.ROOT).replace('-', '_');
  }

  @Override
  public String defaultValue(ArgSpec argument) {
    return argument instanceof OptionSpec option && !ASKED_OF_THE_PROGRAM.contains(key(option))
        ? lookUp(key(option))
        : null;
  }

  /** Records that a value was worked out from others. */
  void derived(String key, String from) {
    derived.put(key, from);
  }

  /** Whether the user gave this option a value for this command, in whichever way. */
  boolean isChosen(String key) {
    return isOnCommandLine(key)
        || sources.stream().anyMatch(source -> source.chosen() && source.values().containsKey(key));
  }

  private boolean isOnCommandLine(String key) {
    CommandLine.ParseResult parsed = command.commandLine().getParseResult();
    return parsed != null && parsed.hasMatchedOption("--" + key);
  }

  /** Where the value of an option came from, in a word or two. */
  String of(String key) {
    if (isOnCommandLine(key)) {
      return "command line";
    }
    if (derived.containsKey(key)) {
      return derived.get(key);
    }
    for (Source source : sources) {
      if (source.values().containsKey(key)) {
        return source.name().equals("environment") ? variable(key) : source.name();
      }
    }
    return "default";
  }

  /** All values of the command as they are now, by name; options without a value are left out. */
  Map<String, String> values() {
    var values = new TreeMap<String, String>();
    for (OptionSpec option : command.options()) {
      Object value = option.getValue();
      if (value != null && !ASKED_OF_THE_PROGRAM.contains(key(option))) {
        values.put(key(option), text(value));
      }
    }
    return values;
  }

  private static String text(Object value) {
    return switch (value) {
      case Path path -> path.toAbsolutePath().normalize().toString();
      case Enum<?> constant -> constant.toString().toLowerCase(Locale.ROOT);
      default -> value.toString();
    };
  }

  /** Prints every option, its value and where that came from. */
  void print(PrintWriter out) {
    Map<String, String> values = values();
    for (String key : keys()) {
      out.printf(Locale.ROOT, "%-20s %-24s %s%n", key, values.getOrDefault(key, "-"), of(key));
    }
    out.flush();
  }
}
