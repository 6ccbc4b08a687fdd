package org.gatun.cuda;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.gatun.cuda.ffi.LibrarySearch;

/** Another Java process that runs a class of these tests with this process' libraries, errors and output in one stream. */
public final class JavaProcess {
  private JavaProcess() {}

  public static Process start(Class<?> main, String... arguments) throws IOException {
    var command = new ArrayList<>(List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(), "--enable-native-access=ALL-UNNAMED",
        "-Xmx256m", "-cp", "target/classes:target/test-classes"));
    for (String name : List.of(LibrarySearch.FOLDERS, LibrarySearch.ONLY)) {
      if (System.getProperty(name) != null) {
        command.add("-D" + name + "=" + System.getProperty(name));
      }
    }
    command.add(main.getName());
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }
}
