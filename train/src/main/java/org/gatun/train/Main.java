package org.gatun.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import picocli.AutoComplete.GenerateCompletion;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** The program {@code gatun}. */
@Command(name = "gatun", mixinStandardHelpOptions = true, versionProvider = Versions.class, sortOptions = false, description = {
  "Train and use GPT-2 models, in pure Java.",
  "",
  "To begin with: @|bold gatun train|@ needs no data and no option; it trains a small model"
      + " that writes Java, in about two minutes.",
  ""
}, commandListHeading = "Commands (each has its own --help):%n", footer = {
  "",
  "Exit codes: 0 done, 1 failed, 2 wrong use, 130 and 143 stopped by a signal after a clean"
      + " checkpoint.",
  "Every option can also be set in the environment: --micro-batch 8 is GATUN_MICRO_BATCH=8."
}, subcommands = {
  TrainCommand.class,
  SampleCommand.class,
  EvalCommand.class,
  ImportCommand.class,
  ExportCommand.class,
  ReplayCommand.class,
  PrepareCommand.class,
  DataCommand.class,
  DoctorCommand.class,
  SelftestCommand.class,
  BenchCommand.class,
  GenerateCompletion.class
})
public final class Main {
  private static final int FAILED = 1;
  private static final int WRONG_USE = 2;

  private Main() {}

  /** Runs the command and ends the process with its exit code. */
  public static void main(String[] args) {
    System.exit(run(System.getenv(), args));
  }

  /** Runs the command; returns the exit code. */
  static int run(Map<String, String> environment, String... args) {
    var gatun = new CommandLine(new Main());
    gatun.setCaseInsensitiveEnumValuesAllowed(true);
    gatun.setOverwrittenOptionsAllowed(true);
    gatun.setParameterExceptionHandler((e, _) -> wrongUse(e));
    gatun.setExecutionExceptionHandler((e, _, _) -> failed(e));
    gatun.getSubcommands().get("generate-completion").getCommandSpec().usageMessage().hidden(true);
    if (args.length == 0) {
      gatun.usage(System.err);
      return WRONG_USE;
    }
    try {
      CommandLine command = gatun.getSubcommands().get(args[0]);
      if (command != null) {
        giveDefaults(command, environment, Arrays.copyOfRange(args, 1, args.length));
      }
      return gatun.execute(args);
    } catch (IOException | RuntimeException e) {
      return failed(e);
    } catch (OutOfMemoryError e) {
      System.err.println(
          "gatun: not enough memory: " + e.getMessage() + "; try a smaller --micro-batch or model");
      return FAILED;
    }
  }

  /** Some options decide where the others get their values from, so they are looked at first. */
  private static void giveDefaults(
      CommandLine command, Map<String, String> environment, String[] args) throws IOException {
    CommandSpec spec = command.getCommandSpec();
    if (spec.findOption("--config") == null && spec.findOption("--device") == null
        || List.of(args).contains("--help")) {
      return;
    }
    ParseResult first = lookAhead(args);
    Path file = first.matchedOptionValue("--config", null);
    var origins = Origins.of(spec, environment, file);
    if (spec.userObject() instanceof TrainCommand train) {
      train.useOrigins(origins, first);
    }
    command.setDefaultValueProvider(origins);
  }

  /** The values of the options that decide; whatever is wrong with the rest is found later. */
  private static ParseResult lookAhead(String[] args) {
    CommandSpec spec = CommandSpec.create();
    for (String name : List.of("--config", "--resume", "--init", "--out")) {
      spec.addOption(OptionSpec.builder(name).type(Path.class).build());
    }
    for (String name : List.of("--preset", "--recipe")) {
      spec.addOption(OptionSpec.builder(name).type(String.class).build());
    }
    spec.addOption(OptionSpec.builder("--resume-step").type(Long.class).build());
    spec.addOption(OptionSpec.builder("--fresh").type(boolean.class).build());
    var parser =
        new CommandLine(spec).setUnmatchedArgumentsAllowed(true).setOverwrittenOptionsAllowed(true);
    try {
      return parser.parseArgs(args);
    } catch (ParameterException e) {
      return parser.parseArgs();
    }
  }

  private static int wrongUse(ParameterException e) {
    CommandLine command = e.getCommandLine();
    String name = command.getCommandSpec().qualifiedName();
    String sentence =
        e instanceof UnmatchedArgumentException unmatched
            ? unknown(command, unmatched.getUnmatched().getFirst())
            : e.getMessage();
    System.err.println("gatun: " + sentence);
    System.err.println("see: " + name + " --help");
    return WRONG_USE;
  }

  private static String unknown(CommandLine command, String word) {
    String bare = word.replaceFirst("=.*", "");
    if (bare.startsWith("-")) {
      List<String> options =
          command.getCommandSpec().options().stream().map(OptionSpec::longestName).toList();
      return "unknown option " + bare + "; did you mean " + Nearest.to(bare, options) + "?";
    }
    List<String> commands = new ArrayList<>(command.getSubcommands().keySet());
    return commands.isEmpty()
        ? "unexpected argument '" + word + "'; all values belong to an option"
        : "unknown command " + word + "; did you mean " + Nearest.to(word, commands) + "?";
  }

  private static int failed(Exception e) {
    if (System.getenv("GATUN_STACK_TRACE") != null || !Sentences.explains(e)) {
      e.printStackTrace();
      System.err.println(
          "gatun: this is a fault in gatun itself; please report it with the lines above");
      return FAILED;
    }
    System.err.println("gatun: " + Sentences.of(e));
    return e instanceof WrongUse ? WRONG_USE : FAILED;
  }
}
