/** The command line of Gatun and its trainer. */
module org.gatun.train {
  requires aircompressor.v3;
  requires com.fasterxml.jackson.core;
  requires dev.hardwood.core;
  requires info.picocli;
  requires java.logging;
  requires java.management;
  requires java.net.http;
  requires jdk.management;
  requires jdk.unsupported; // the decompressors read memory with it
  requires org.gatun.cuda;
  requires org.gatun.model;

  // For the parquet reader, which looks for its decompressors under these names.
  exports com.github.luben.zstd to
      dev.hardwood.core;
  exports org.xerial.snappy to
      dev.hardwood.core;

  opens org.gatun.train to
      info.picocli;
}
