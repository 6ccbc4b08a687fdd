package org.gatun.train.data;

import java.util.List;

/**
 * What is encoded at a time, and committed or not as a whole: about a megabyte of pieces.
 *
 * @param number counted from zero over all sources
 * @param after where its successor begins
 * @param splits what the reader knows already of each piece; null where the encoder is to find out
 */
record Chunk(long number, List<Piece> pieces, List<Split> splits, long bytes, Place after) {
  /**
   * A place between two records.
   *
   * @param source index of the file
   * @param records of that file that lie before
   * @param split of the document that goes on here; null where none does
   */
  record Place(int source, long records, Split split) {
    static final Place START = new Place(0, 0, null);
  }
}
