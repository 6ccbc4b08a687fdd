package org.gatun.cuda.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Functions as one of NVIDIA's headers declares them, and as our sources bind them, both as the sizes of their arguments: {@code [JAVA_LONG,
 * JAVA_INT]}. A wrong size is undefined behaviour that often goes unnoticed until a value is large.
 */
public final class HeaderPrototypes {
  private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/|//[^\n]*", Pattern.DOTALL);
  private static final Pattern BOUND =
      Pattern.compile("(?:function|functionOrNull|status)\\(\\s*\"(\\w+)\"((?:,\\s*JAVA_\\w+)*)\\)");
  private static final Pattern RENAMED =
      Pattern.compile("#define\\s+(cu\\w+)\\s+(?:__CUDA_API_\\w+\\()?(cu\\w+)\\)?\\s");
  private static final Set<String> WORDS =
      Set.of("int", "unsigned int", "unsigned", "CUdevice", "CUresult", "nvrtcResult");

  private final Map<String, List<String>> arguments = new LinkedHashMap<>();
  private final Map<String, String> renamed = new LinkedHashMap<>();

  /** Reads {@code header}, in which {@code result} is the type of a status. */
  public HeaderPrototypes(Path header, String result) throws IOException {
    String text = COMMENT.matcher(Files.readString(header)).replaceAll(" ");
    Matcher declared =
        Pattern.compile("\\b" + result + "\\s+(?:\\w+API\\s+)?(\\w+)\\s*\\(([^()]*)\\)\\s*;").matcher(text);
    while (declared.find()) {
      arguments.putIfAbsent(declared.group(1), Stream.of(declared.group(2).split(",")).map(String::strip)
          .filter(argument -> !argument.isEmpty() && !argument.equals("void")).map(HeaderPrototypes::layout).toList());
    }
    Matcher names = RENAMED.matcher(text);
    while (names.find()) {
      renamed.putIfAbsent(names.group(1), names.group(2));
    }
  }

  /** The arguments of the function whose symbol is {@code symbol}; nothing if the header does not declare it. */
  public Optional<List<String>> arguments(String symbol) {
    return Optional.ofNullable(arguments.get(symbol)).or(() -> renamed.entrySet().stream()
        .filter(entry -> entry.getValue().equals(symbol))
        .findFirst()
        .map(entry -> arguments.get(entry.getKey())));
  }

  /** The symbol that C code gets when it writes {@code function}. */
  public String symbol(String function) {
    return renamed.getOrDefault(function, function);
  }

  /** What our {@code source} binds: symbol to arguments. */
  public static Map<String, List<String>> boundBy(Path source) throws IOException {
    var bound = new LinkedHashMap<String, List<String>>();
    Matcher function = BOUND.matcher(Files.readString(source));
    while (function.find()) {
      var layouts = new ArrayList<String>();
      Stream.of(function.group(2).split(",")).map(String::strip).filter(layout -> !layout.isEmpty())
          .forEach(layouts::add);
      bound.put(function.group(1), layouts);
    }
    return bound;
  }

  private static String layout(String argument) {
    String type = argument.replaceAll("\\bconst\\b", "").replaceAll("\\s+", " ").strip();
    if (type.contains("*") || type.contains("[")) {
      return "JAVA_LONG";
    }
    type = type.contains(" ") ? type.substring(0, type.lastIndexOf(' ')) : type;
    if (type.equals("unsigned char")) {
      return "JAVA_BYTE";
    }
    // Enumerations are named in lower case after CU, handles are not, but for CUdeviceptr.
    boolean enumeration = type.matches("CU[a-z]\\w*_\\w+|CUstreamCaptureMode|CUmemPool_attribute");
    return WORDS.contains(type) || enumeration ? "JAVA_INT" : "JAVA_LONG";
  }
}
