package org.gatun.train.data;

/**
 * A document, or a part of one that is too long to hold.
 *
 * @param bytes UTF-8 text, or a line of JSON with the text in it
 * @param number of the record in its source, counted from one: a line, a row, a part of a text
 * @param first whether a document begins here
 * @param last whether a document ends here
 */
record Piece(Source source, long number, byte[] bytes, boolean json, boolean first, boolean last) {
  /** For messages. */
  String place() {
    return source.path()
        + switch (source.kind()) {
          case TEXT -> "";
          case JSONL -> ", line " + number;
          case PARQUET -> ", row " + number;
        };
  }
}
