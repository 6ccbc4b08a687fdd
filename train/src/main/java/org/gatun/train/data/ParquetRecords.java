package org.gatun.train.data;

import dev.hardwood.HardwoodContext;
import dev.hardwood.InputFile;
import dev.hardwood.metadata.PhysicalType;
import dev.hardwood.reader.ColumnReader;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.schema.ColumnSchema;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.gatun.io.MalformedFileException;

/** The text column of a parquet file; a row without a text is no document. */
final class ParquetRecords extends Records {
  /** Rows decoded at once: some megabytes of web pages. */
  private static final int BATCH_ROWS = 1024;

  /** Held, or it would be forgotten: the library tells of vector lanes where nobody asked. */
  private static final Logger LIBRARY = Logger.getLogger("dev.hardwood");

  static {
    LIBRARY.setLevel(Level.WARNING);
    // It would look for a native library to unpack gzip with.
    System.setProperty("hardwood.uselibdeflate", "false");
  }

  private final Source source;
  private final HardwoodContext context;
  private final ParquetFileReader file;
  private final ColumnReader column;
  private final long rows;
  private byte[] values;
  private int[] offsets;
  private int inBatch;
  private int batchRows;
  private long number;

  ParquetRecords(Source source, String field) throws IOException {
    this.source = source;
    this.context = HardwoodContext.create(1);
    try {
      this.file = ParquetFileReader.open(InputFile.of(source.path()), context);
      this.rows = Math.max(1, file.getFileMetaData().numRows());
      requireText(field);
      this.column = file.buildColumnReader(field).batchSize(BATCH_ROWS).build();
    } catch (IOException | RuntimeException e) {
      context.close();
      throw broken(e);
    }
  }

  private void requireText(String field) throws MalformedFileException {
    List<ColumnSchema> columns = file.getFileSchema().getColumns();
    ColumnSchema text =
        columns.stream().filter(c -> c.fieldPath().toString().equals(field)).findFirst().orElse(null);
    if (text == null) {
      throw new MalformedFileException(
          source.path(),
          "has no column \"%s\", but %s; choose with --text-field"
              .formatted(field, columns.stream().map(c -> c.fieldPath().toString()).toList()));
    }
    if (text.type() != PhysicalType.BYTE_ARRAY || text.maxRepetitionLevel() > 0) {
      throw new MalformedFileException(
          source.path(),
          "its column \"%s\" is of type %s, expected text; choose another with --text-field"
              .formatted(field, text.type()));
    }
  }

  @Override
  Piece next() throws IOException {
    try {
      while (inBatch < batchRows || nextBatch()) {
        int row = inBatch++;
        number++;
        if (column.getLeafValidity().isNotNull(row)) {
          return new Piece(source, number, text(row), false, true, true);
        }
      }
      return null;
    } catch (RuntimeException | LinkageError e) {
      throw broken(e);
    }
  }

  private boolean nextBatch() {
    if (!column.nextBatch()) {
      return false;
    }
    values = column.getBinaryValues();
    offsets = column.getBinaryOffsets();
    batchRows = column.getRecordCount();
    inBatch = 0;
    return batchRows > 0 || nextBatch();
  }

  private byte[] text(int row) throws MalformedFileException {
    int length = offsets[row + 1] - offsets[row];
    if (length > MOST_BYTES) {
      throw new MalformedFileException(
          source.path(),
          "row %s has %s bytes, more than the %s that one document may have; leave it out"
              .formatted(number, length, MOST_BYTES));
    }
    return Arrays.copyOfRange(values, offsets[row], offsets[row + 1]);
  }

  private IOException broken(Throwable e) {
    if (e instanceof MalformedFileException known) {
      return known;
    }
    return new MalformedFileException(
        source.path(),
        "cannot be read as parquet (" + MalformedFileException.quote(String.valueOf(e.getMessage())) + ")",
        e);
  }

  @Override
  long position() {
    return (long) ((double) number / rows * source.bytes());
  }

  @Override
  public void close() throws IOException {
    try (context) {
      column.close();
      file.close();
    }
  }
}
