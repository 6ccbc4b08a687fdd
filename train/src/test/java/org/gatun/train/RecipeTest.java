package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Collectors;
import org.gatun.optim.Schedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** One flag brings every hyper-parameter of a published run. */
class RecipeTest {
  @TempDir
  Path folder;

  private static Map<String, String> config(Object... options) {
    Cli cli = Cli.run(options);
    assertEquals(0, cli.code(), cli.err());
    return cli.out().lines().filter(line -> line.matches("[a-z0-9-]+ .*"))
        .collect(
            Collectors.toMap(
                line -> line.replaceFirst(" .*", ""),
                line -> line.replaceFirst("\\S+ +", "").replaceAll(" +", " "),
                (first, _) -> first));
  }

  @ParameterizedTest
  @EnumSource
  void everyOptionOfARecipeExistsAndIsShownAsComingFromIt(Recipe recipe) {
    Map<String, String> config = config("train", "--recipe", recipe, "--print-config");
    recipe
        .options()
        .forEach((key, value) -> assertTrue(
            config.getOrDefault(key, "").endsWith(" recipe " + recipe), key + ": " + config.get(key)));
    assertTrue(config.containsKey("memory"), config::toString);
  }

  @Test
  void optionsOverrideARecipe() {
    Map<String, String> config =
        config("train", "--recipe", "repgpt", "--lr", "0.002", "--print-config");
    assertEquals("0.002 command line", config.get("lr"));
    assertEquals("0.125 recipe repgpt", config.get("weight-decay"));
    assertEquals("524288 recipe repgpt", config.get("batch-tokens"));
    assertEquals("from-zero recipe repgpt", config.get("warmup"));
  }

  @Test
  void warmUpsAreThoseOfTheOriginals() {
    Schedule peak = Schedule.constant(1);
    assertEquals(0f, peak.warmedUpOver(4, Schedule.Warmup.FROM_ZERO).at(0), "repgpt");
    assertEquals(0.25f, peak.warmedUpOver(4, Schedule.Warmup.TO_PEAK).at(0), "llm.c");
    assertEquals(0.2f, peak.warmedUpOver(4, Schedule.Warmup.BELOW_PEAK).at(0), "nanoGPT");
    for (Schedule.Warmup form : Schedule.Warmup.values()) {
      assertEquals(1f, peak.warmedUpOver(4, form).at(4));
    }
  }

  @Test
  void shakespeareRecipeTrainsOnAnyText() throws IOException {
    Path out = folder.resolve("run");
    Cli cli =
        Cli.run(
            "train", "--recipe", "nanogpt-shakespeare-char", "--data", Cli.text(folder, 3000),
            "--steps", 3, "--out", out, "--sample-tokens", 0, "--threads", 1);
    assertEquals(0, cli.code(), cli.err());
    assertEquals("0.001", RunFolder.state(out).options().get("lr"));
  }
}
