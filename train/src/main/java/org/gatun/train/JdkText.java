package org.gatun.train;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.reflect.Executable;
import java.lang.reflect.Member;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Java text that is at hand wherever Java runs: the sources of java.util from the running JDK, or,
 * where it came without sources, the declarations its classes have.
 */
final class JdkText {
  private static final String PACKAGE = "java/util";

  private static final Pattern PACKAGES = Pattern.compile("\\bjava\\.(lang|util)\\.(?=[A-Z])");

  /** Lines that begin further right are aligned with something, not indented. */
  private static final int DEEPEST = 6;

  private JdkText() {}

  /** About {@code most} bytes of Java; the same on every start of the same JDK. */
  static byte[] read(int most) throws IOException {
    Path archive = sources();
    return Files.isReadable(archive) ? sources(archive, most) : declarations(most);
  }

  /** What {@link #read} reads, in a few words. */
  static String description() {
    String origin = Files.isReadable(sources()) ? "sources" : "declarations";
    return "the " + origin + " of java.util in JDK " + Runtime.version();
  }

  private static Path sources() {
    return Path.of(System.getProperty("java.home"), "lib", "src.zip");
  }

  /** Source files by name, without the licence that each begins with, and indented with tabs. */
  static byte[] sources(Path archive, int most) throws IOException {
    var text = new ByteArrayOutputStream(most);
    try (var zip = new ZipFile(archive.toFile())) {
      List<? extends ZipEntry> entries =
          zip.stream()
              .filter(
                  entry -> entry.getName().startsWith("java.base/" + PACKAGE + "/")
                      && entry.getName().endsWith(".java"))
              .sorted(Comparator.comparing(ZipEntry::getName))
              .toList();
      for (ZipEntry entry : entries) {
        if (text.size() >= most) {
          break;
        }
        try (var in = zip.getInputStream(entry)) {
          text.writeBytes(prepared(in.readAllBytes()));
        }
      }
    }
    return text.toByteArray();
  }

  private static byte[] prepared(byte[] source) {
    String text = new String(source, StandardCharsets.UTF_8);
    int end = text.startsWith("/*") ? text.indexOf("*/") + 2 : 0;
    var prepared = new StringBuilder(text.length());
    text.substring(end).strip().lines().forEach(line -> appendWithTabs(prepared, line));
    return prepared.append('\n').toString().getBytes(StandardCharsets.UTF_8);
  }

  /**
   * A model of little context would spend most of it on spaces, and once it saw nothing else would
   * write them for ever: four that begin a line become a tab, and aligned columns move together.
   */
  private static void appendWithTabs(StringBuilder to, String line) {
    String words = line.stripLeading();
    if (!words.isEmpty()) {
      int spaces = line.length() - words.length();
      to.repeat('\t', Math.min(spaces / 4, DEEPEST)).repeat(' ', spaces % 4);
      for (int i = 0; i < words.length(); i++) {
        char c = words.charAt(i);
        if (c != ' ' || words.charAt(i - 1) != ' ') {
          to.append(c);
        }
      }
    }
    to.append('\n');
  }

  /** The public declarations of the classes in the run-time image, as Java writes them. */
  static byte[] declarations(int most) throws IOException {
    var text = new ByteArrayOutputStream(most);
    Path root = FileSystems.getFileSystem(URI.create("jrt:/")).getPath("/modules/java.base");
    try (Stream<Path> classes = Files.walk(root.resolve(PACKAGE))) {
      for (Path file : (Iterable<Path>) classes.filter(path -> path.toString().endsWith(".class")).sorted()::iterator) {
        if (text.size() >= most) {
          break;
        }
        String name = root.relativize(file).toString().replace('/', '.');
        text.writeBytes(
            declaration(name.substring(0, name.length() - ".class".length()))
                .getBytes(StandardCharsets.UTF_8));
      }
    }
    return text.toByteArray();
  }

  private static String declaration(String className) {
    Class<?> type;
    try {
      type = Class.forName(className, false, null);
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException("the run-time image has no class " + className, e);
    }
    if (!Modifier.isPublic(type.getModifiers())) {
      return "";
    }
    var members = new ArrayList<Member>(List.of(type.getDeclaredConstructors()));
    members.addAll(List.of(type.getDeclaredMethods()));
    var lines =
        new StringBuilder("package ")
            .append(type.getPackageName())
            .append(";\n\n")
            .append(header(type))
            .append(" {\n");
    members.stream()
        .filter(member -> Modifier.isPublic(member.getModifiers()) && !member.isSynthetic())
        .map(
            member -> "    "
                + shorten(
                    member instanceof Executable executable
                        ? executable.toGenericString()
                        : member.toString(),
                    type)
                + ";\n")
        .sorted()
        .forEach(lines::append);
    return lines.append("}\n\n").toString();
  }

  private static String header(Class<?> type) {
    Type parent = type.getGenericSuperclass();
    String above =
        parent == null || parent == Object.class ? "" : " extends " + parent.getTypeName();
    String interfaces =
        Stream.of(type.getGenericInterfaces())
            .map(Type::getTypeName)
            .collect(Collectors.joining(", "));
    String beside =
        interfaces.isEmpty()
            ? ""
            : (type.isInterface() ? " extends " : " implements ") + interfaces;
    return shorten(
        type.toGenericString().replace("abstract interface", "interface") + above + beside, type);
  }

  /**
   * Without the packages that Java would import, and without the name of the class before each
   * member's.
   */
  private static String shorten(String member, Class<?> type) {
    return PACKAGES
        .matcher(member.replace(type.getName() + ".", ""))
        .replaceAll("")
        .replace(",", ", ")
        .replace(",  ", ", ");
  }
}
