package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JdkTextTest {
  @TempDir
  Path folder;

  @Test
  void readsSourcesInTheOrderOfTheirNamesWithTabsAndWithoutLicence() throws Exception {
    Path archive = folder.resolve("src.zip");
    try (var zip = new ZipOutputStream(Files.newOutputStream(archive))) {
      for (String name : new String[]{
        "java.base/java/util/B.java", "java.base/java/util/A.java", "java.base/java/lang/C.java"
      }) {
        zip.putNextEntry(new ZipEntry(name));
        zip.write(
            ("/* Licence */\n\nclass " + name.charAt(name.length() - 6) + " {\n      int i;\n}\n")
                .getBytes(StandardCharsets.UTF_8));
      }
    }
    assertEquals(
        "class A {\n\t  int i;\n}\n\nclass B {\n\t  int i;\n}\n\n",
        new String(JdkText.sources(archive, 1000), StandardCharsets.UTF_8));
    assertEquals(
        "class A {\n\t  int i;\n}\n\n",
        new String(JdkText.sources(archive, 5), StandardCharsets.UTF_8));
  }

  @Test
  void declarationsOfTheImageLookLikeJava() throws Exception {
    byte[] bytes = JdkText.declarations(200_000);
    String text = new String(bytes, StandardCharsets.UTF_8);
    assertTrue(bytes.length >= 200_000, () -> bytes.length + " bytes");
    assertTrue(
        text.contains(
            "package java.util;\n\n"
                + "public abstract class AbstractCollection<E> implements Collection<E> {"),
        () -> text.substring(0, 500));
    assertTrue(
        text.contains("    public abstract Iterator<E> iterator();"),
        () -> text.substring(0, 2000));
    assertArrayEquals(bytes, JdkText.declarations(200_000), "the same every time");
  }
}
