/** The command line of Gatun and its trainer. */
module org.gatun.train {
  requires info.picocli;
  requires java.management;
  requires jdk.management;
  requires org.gatun.cuda;
  requires org.gatun.model;

  opens org.gatun.train to
      info.picocli;
}
