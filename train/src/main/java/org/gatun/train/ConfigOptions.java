package org.gatun.train;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Options about options. */
final class ConfigOptions {
  @Option(names = "--config", paramLabel = "FILE", description = "Options from a properties file (steps=100), weaker than the"
      + " command line and the environment (GATUN_STEPS=100).")
  Path config;

  @Option(names = "--print-config", description = "Print every option with its value and where that came from, and do nothing else.")
  boolean printConfig;
}
