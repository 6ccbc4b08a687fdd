package org.gatun.train;

import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.gatun.proof.Check;
import org.gatun.proof.Checks;
import org.gatun.tensor.Device;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code gatun selftest}: whether this machine computes what it should. */
@Command(name = "selftest", mixinStandardHelpOptions = true, sortOptions = false, showDefaultValues = true, versionProvider = Versions.class, description = {
  "Hold a device to account: every operation and its gradient against a reference in double",
  "precision, large ones and attention against the CPU, the same bits each time, recorded steps",
  "against plain ones; on a GPU also what happens when memory runs out, and NCCL.",
  ""
})
final class SelftestCommand implements Callable<Integer> {
  /** How large the comparisons with the CPU are. */
  enum Size {
    GPT2,
    SMALL
  }

  @Mixin
  DeviceOptions deviceOptions;

  @Option(names = "--size", paramLabel = "gpt2|small", description = "Widths of the comparisons with the CPU. Default: gpt2 on a GPU, small on a CPU")
  Size size;

  @Option(names = "--repeats", paramLabel = "N", defaultValue = "20", description = "How often the same work must give the same bits.")
  int repeats;

  @Option(names = "--only", paramLabel = "SUBJECT", description = "One line of the report alone, such as softmax.")
  String only;

  @Override
  public Integer call() {
    deviceOptions.validate();
    WrongUse.unlessAtLeast("--repeats", 2, repeats);
    boolean gpt2 = size == null ? deviceOptions.isCuda() : size == Size.GPT2;
    Checks.Size shapes = gpt2 ? Checks.Size.gpt2() : Checks.Size.small();
    List<Check> plain = Stream.of(
        Checks.operations(), Checks.parity(shapes), Checks.attention(shapes),
        deviceOptions.isCuda() ? RunChecks.cuda() : List.<Check>of()).flatMap(List::stream).toList();
    // As training does it by default, but for these, which want the same bits: cuDNN gives them where it is asked to.
    List<Check> repeated =
        Stream.of(Checks.repeats(shapes, repeats), RunChecks.capture()).flatMap(List::stream).toList();
    if (only != null) {
      List<String> subjects = Stream.concat(plain.stream(), repeated.stream()).map(Check::subject).distinct().toList();
      WrongUse.unlessOneOf("--only", subjects, only);
    }
    var selftest = new Selftest(System.out);
    try (Device device = deviceOptions.open()) {
      selftest.begin(device);
      selftest.run(device, chosen(plain));
    }
    try (Device device = deviceOptions.open(Arithmetic.F32, true)) {
      selftest.run(device, chosen(repeated));
    }
    return selftest.end() ? 0 : 1;
  }

  private List<Check> chosen(List<Check> checks) {
    return only == null ? checks : checks.stream().filter(check -> check.subject().equals(only)).toList();
  }
}
