package org.gatun.train.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Well-known texts and where they are published. */
public enum PublicData {
  /** 1.1 MB of Shakespeare's plays in one file, as Karpathy's char-rnn has them. */
  TINY_SHAKESPEARE("https://raw.githubusercontent.com") {
    @Override
    List<Download.Item> items(Download download, String base) {
      return List.of(
          new Download.Item(
              URI.create(base + "/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"),
              "tinyshakespeare.txt",
              1_115_394,
              "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"));
    }
  },
  /** 8 million web pages, as parquet. */
  OPENWEBTEXT(PublicData.HUB) {
    @Override
    List<Download.Item> items(Download download, String base) throws IOException {
      return onHub(download, base, "Skylion007/openwebtext", "refs%2Fconvert%2Fparquet", "plain_text/train");
    }
  },
  /** 10 billion tokens sampled from FineWeb, as parquet. */
  FINEWEB_10B(PublicData.HUB) {
    @Override
    List<Download.Item> items(Download download, String base) throws IOException {
      return onHub(download, base, "HuggingFaceFW/fineweb", "main", "sample/10BT");
    }
  };

  private static final String HUB = "https://huggingface.co";

  private final String host;

  PublicData(String host) {
    this.host = host;
  }

  /** As on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Where it is published; a mirror has the same paths. */
  public String host() {
    return host;
  }

  /** Its files, on a host. */
  public List<Download.Item> items(Download download, URI base) throws IOException {
    return items(download, base.toString().replaceFirst("/+$", ""));
  }

  abstract List<Download.Item> items(Download download, String base) throws IOException;

  /** The parquet files of a folder, with lengths and hashes as the hub's listing has them. */
  private static List<Download.Item> onHub(
      Download download, String base, String dataset, String revision, String folder) throws IOException {
    URI listing = URI.create(base + "/api/datasets/" + dataset + "/tree/" + revision + "/" + folder);
    var items = new ArrayList<Download.Item>();
    try (JsonParser parser = new JsonFactory().createParser(download.text(listing))) {
      if (parser.nextToken() != JsonToken.START_ARRAY) {
        throw new IOException(listing + " is no list of files as the hub has them");
      }
      while (parser.nextToken() == JsonToken.START_OBJECT) {
        Entry entry = entry(parser);
        if (entry.path() != null && entry.path().endsWith(".parquet")) {
          items.add(
              new Download.Item(
                  URI.create(base + "/datasets/" + dataset + "/resolve/" + revision + "/" + entry.path()),
                  entry.path().substring(entry.path().lastIndexOf('/') + 1),
                  entry.size(),
                  entry.sha256()));
        }
      }
    } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
      throw new IOException(listing + " is no list of files as the hub has them: " + e.getOriginalMessage(), e);
    }
    if (items.isEmpty()) {
      throw new IOException(listing + " names no parquet file");
    }
    return items;
  }

  private record Entry(String path, long size, String sha256) {}

  /** A file's path and length, and the hash of its content, which the hub calls the oid of its LFS object. */
  private static Entry entry(JsonParser parser) throws IOException {
    String path = null;
    long size = -1;
    String sha256 = null;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (name) {
        case "path" -> path = parser.getText();
        case "size" -> size = parser.getValueAsLong(-1);
        case "lfs" -> sha256 = value == JsonToken.START_OBJECT ? oid(parser) : null;
        default -> parser.skipChildren();
      }
    }
    return new Entry(path, size, sha256);
  }

  private static String oid(JsonParser parser) throws IOException {
    String oid = null;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean here = parser.currentName().equals("oid");
      parser.nextToken();
      oid = here ? parser.getText() : oid;
      parser.skipChildren();
    }
    return oid;
  }
}
