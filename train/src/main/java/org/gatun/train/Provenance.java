package org.gatun.train;

import java.util.List;
import java.util.Map;

/**
 * Where a run comes from: enough to make it again.
 *
 * @param command the arguments that started it, or took it up last
 * @param options every option of the run as text, by name without dashes
 * @param dataHash {@link Tokens#sha256} of the training data
 * @param manifestHash SHA-256 of the manifest beside the data; empty where there is none
 * @param versions of what computed it: program, Java, system, processor, device
 */
record Provenance(
    List<String> command,
    Map<String, String> options,
    String dataHash,
    String manifestHash,
    Map<String, String> versions) {
  Provenance {
    command = List.copyOf(command);
    options = Map.copyOf(options);
    versions = Map.copyOf(versions);
  }
}
