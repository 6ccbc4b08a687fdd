package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.gatun.cuda.Cuda;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BadInputTest {
  @TempDir
  Path folder;

  private Path text;
  private Path out;

  @BeforeEach
  void writeText() throws IOException {
    text = Cli.text(folder, 2000);
    out = folder.resolve("out");
  }

  /** Every answer is one sentence on standard error and no stack trace. */
  private static void assertAnswer(Cli cli, int code, String part) {
    assertEquals(code, cli.code(), cli.out() + cli.err());
    assertTrue(cli.err().contains(part), cli.err());
    assertTrue(cli.err().startsWith("gatun: "), cli.err());
    assertFalse(cli.err().contains("\tat "), cli.err());
  }

  private Path model() {
    assertEquals(0, Cli.train("--data", text, "--out", out, "--steps", 1).code());
    return out;
  }

  // Data.

  @Test
  void emptyText() throws IOException {
    Files.writeString(text, "");
    assertAnswer(
        Cli.train("--data", text, "--out", out), 1, "text.txt is empty; give text to train on");
    assertFalse(Files.exists(out), "nothing was made");
  }

  @Test
  void emptyTokenFile() throws IOException {
    assertAnswer(Cli.train("--data", Cli.tokens(folder.resolve("t.bin"))), 1, "t.bin is empty");
  }

  @Test
  void emptyFolder() throws IOException {
    assertAnswer(
        Cli.train("--data", Files.createDirectory(folder.resolve("none"))),
        1,
        "none has no file in it");
  }

  @Test
  void missingFile() {
    assertAnswer(
        Cli.train("--data", folder.resolve("missing.txt")), 1, "missing.txt does not exist");
  }

  @Test
  void textShorterThanTheContext() throws IOException {
    Files.writeString(text, "hello");
    assertAnswer(
        Cli.train("--data", text, "--out", out),
        1,
        "has 5 tokens to train on; a window of --context 8 takes 9");
  }

  @Test
  void tokenBeyondTheVocabulary() throws IOException {
    Path tokens = Cli.tokens(folder.resolve("t.bin"), 1, 2, 3, 4, 5, 6, 7, 8, 9, 400, 1, 2, 3);
    assertAnswer(
        Cli.train("--data", tokens, "--vocab", 400),
        1,
        "token 400 at position 9 is beyond the vocabulary of 400");
  }

  @Test
  void oddNumberOfBytes() throws IOException {
    Path file = Files.writeString(folder.resolve("t.bin"), "abc");
    assertAnswer(Cli.train("--data", file), 1, "t.bin: has 3 bytes, an odd number");
  }

  @Test
  void numpyFileCutShort() throws IOException {
    Path file =
        Files.write(
            folder.resolve("t.bin"), new byte[]{(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
    assertAnswer(Cli.train("--data", file), 1, "t.bin: ends within its NumPy header");
  }

  @Test
  void characterThatTheModelDoesNotKnow() throws IOException {
    assertEquals(
        0, Cli.train("--data", text, "--out", out, "--steps", 1, "--tokenizer", "char").code());
    assertAnswer(
        Cli.run(
            "eval", "--model", out, "--data", Files.writeString(folder.resolve("t.txt"), "Ω Ω")),
        1,
        "U+03A9");
  }

  // Models.

  @Test
  void folderThatIsNoModel() {
    assertAnswer(
        Cli.run("sample", "--model", folder),
        1,
        "no config.json, expected a Hugging Face GPT-2 folder");
    assertAnswer(Cli.run("eval", "--model", folder, "--data", text), 1, "no config.json");
    assertAnswer(Cli.run("train", "--init", folder, "--data", text), 1, "no config.json");
  }

  @Test
  void truncatedWeights() throws IOException {
    Path weights = model().resolve("model.safetensors");
    Files.write(weights, java.util.Arrays.copyOf(Files.readAllBytes(weights), 3000));
    assertAnswer(Cli.run("eval", "--model", out, "--data", text), 1, "model.safetensors");
  }

  @Test
  void unknownActivation() throws IOException {
    Path config = model().resolve("config.json");
    Files.writeString(config, Files.readString(config).replace("gelu_new", "swish"));
    assertAnswer(Cli.run("eval", "--model", out, "--data", text), 1, "swish");
  }

  // Folders.

  @Test
  void folderThatHoldsARun() {
    model();
    assertAnswer(
        Cli.train("--data", text, "--out", out, "--heads", 4), 2, "--heads 4 contradicts --out");
  }

  @Test
  void folderThatHoldsSomethingElse() {
    assertAnswer(
        Cli.train("--data", text, "--out", folder), 1, "is not empty; give --out a new folder");
  }

  @Test
  void fileWhereTheFolderShouldBe() {
    assertAnswer(Cli.train("--data", text, "--out", text), 1, "text.txt");
  }

  @Test
  void folderThatCannotBeWritten() throws IOException {
    assumeTrue(!System.getProperty("os.name").startsWith("Windows"), "needs POSIX permissions");
    Path closed = Files.createDirectory(folder.resolve("closed"));
    Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-xr-xr-x"));
    assumeTrue(!Files.isWritable(closed), "the superuser may write anywhere");
    assertAnswer(Cli.train("--data", text, "--out", closed.resolve("out")), 1, "permission denied");
  }

  @Test
  void folderOfAReadOnlyFileSystem() {
    Path system = Path.of("/proc/self");
    assumeTrue(Files.isDirectory(system), "needs Linux's /proc");
    assertAnswer(Cli.train("--data", text, "--out", system.resolve("out")), 1, "/proc/self/out");
  }

  @Test
  void fullDisk() throws Exception {
    Path mount = Files.createDirectory(folder.resolve("full"));
    assumeTrue(
        mount("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount),
        "mounting a small tmpfs takes the superuser of Linux");
    Object[] options = {"--data", text, "--steps", 3, "--checkpoint-interval", 1, "--channels", 32,
      "--keep-checkpoints", 9};
    try {
      Path run = mount.resolve("run");
      assertAnswer(Cli.train(with(options, "--out", run)), 1, "No space left on device");
      assertTrue(Files.exists(run.resolve("state.json")), "what was written before is still whole");
      assertTrue(mount("mount", "-o", "remount,size=8m", mount), "room was made");
      Cli resumed = Cli.run("train", "--resume", run);
      assertEquals(0, resumed.code(), resumed.err());
      assertEquals(0, Cli.train(with(options, "--out", out)).code());
      assertEquals(Cli.rows(out), Cli.rows(run), "nothing was lost");
      assertEquals(-1, Files.mismatch(out.resolve("model.safetensors"), run.resolve("model.safetensors")));
    } finally {
      mount("umount", mount);
    }
  }

  private static Object[] with(Object[] options, Object... more) {
    return Stream.concat(Arrays.stream(options), Arrays.stream(more)).toArray();
  }

  private static boolean mount(Object... command) throws InterruptedException {
    try {
      var process =
          new ProcessBuilder(Arrays.stream(command).map(Object::toString).toList())
              .redirectErrorStream(true)
              .start();
      return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void foreignFolderToResume() {
    assertAnswer(
        Cli.run("train", "--resume", folder), 1, "holds no run to resume (no state.json in it)");
    assertAnswer(Cli.run("train", "--resume", folder.resolve("none")), 1, "holds no run to resume");
  }

  @Test
  void resumingOnOtherData() throws IOException {
    Path run = model();
    Files.writeString(text, "x" + Files.readString(text));
    assertAnswer(Cli.run("train", "--resume", run, "--steps", 2), 1, "is not the data that");
  }

  @Test
  void filesOfTwoCheckpoints() throws IOException {
    Path run = model();
    Path checkpoint = run.resolve("checkpoints/step-00000001/state.json");
    Files.writeString(
        checkpoint, Files.readString(checkpoint).replaceFirst("\"updates\" : 1", "\"updates\" : 2"));
    assertAnswer(Cli.run("train", "--resume", run, "--steps", 3), 1, "state.json: damaged");
    Files.delete(checkpoint.resolveSibling(Checksums.NAME));
    Checksums.write(checkpoint.getParent());
    assertAnswer(Cli.run("train", "--resume", run, "--steps", 3), 1, "do not belong together");
  }

  // Options.

  @ParameterizedTest
  @CsvSource(delimiter = '|', value = {
    "--lerning-rate 1|unknown option --lerning-rate; did you mean --lr?",
    "--layer=2|unknown option --layer; did you mean --layers?",
    "file.txt|unexpected argument 'file.txt'",
    "--steps -1|--steps -1: must be at least 1",
    "--steps ten|Invalid value for option '--steps'",
    "--lr -0.1|--lr -0.1: must be at least 0",
    "--lr NaN|--lr NaN: must be at least 0",
    "--micro-batch 0|--micro-batch 0: must be at least 1",
    "--context -5|--context -5: must be at least 1",
    "--heads 3|--channels 16 must be a multiple of --heads 3",
    "--batch-tokens 100|--batch-tokens 100 is not a multiple of --micro-batch 2 x --context 8 ="
        + " 16; nearest: 96 or 112",
    "--batch-tokens 10|nearest: 16",
    "--min-lr 1|--min-lr 1.0 is above --lr",
    "--warmup-steps 99999|--warmup-steps 99999 is more than --steps",
    "--dropout 1|--dropout 1.0: must be at least 0 and below 1",
    "--beta2 1|--beta2 1: must be from 0 to",
    "--val-fraction 1|--val-fraction 1.0: must be at least 0 and below 1",
    "--tokenizer bytes|--tokenizer bytes: did you mean byte?",
    "--preset gpt3|--preset gpt3: did you mean gpt2?",
    "--sampling random|expected one of",
    "--vocab 100|--vocab 100 is less than the 256 tokens of --tokenizer byte",
    "--device tpu|--device tpu: there are cpu and cuda[:N]",
    "--threads 0|--threads 0: must be at least 1",
    "--keep-every -1|--keep-every -1: must be at least 0",
    "--recipe nanogpt|--recipe nanogpt: did you mean nanogpt-owt?",
    "--recipe repgpt --preset gpt2|--preset gpt2 contradicts --recipe repgpt",
    "--recompute all|expected one of",
    "--warmup zero|expected one of",
    "--moments bf16 --beta2 0.999|take --beta2 0.99 or less, or --moments f32",
    "--on-spike stop|expected one of",
    "--spike-window 1|--spike-window 1: must be at least 2",
    "--spike-z -1|--spike-z -1: must be at least 0",
    "--resume-step 5|--resume-step 5 takes a run to resume; name it by --resume or --out",
    "--keep-checkpoints 0|--keep-checkpoints 0: must be at least 1",
  })
  void wrongOption(String options, String sentence) {
    var all = new java.util.ArrayList<Object>(java.util.List.of("--data", text, "--out", out));
    all.addAll(java.util.List.of(options.split(" ")));
    assertAnswer(Cli.train(all.toArray()), 2, sentence);
    assertFalse(Files.exists(out), "nothing was made");
  }

  @Test
  void gpuThatIsNotThere() {
    assumeFalse(Cuda.isAvailable(), "this machine has a GPU");
    assertAnswer(
        Cli.train("--data", text, "--out", out, "--device", "cuda"),
        1,
        "gatun: --device cuda: no CUDA: ");
  }

  @Test
  void optionsThatContradictAnInitialModel() {
    Path run = model();
    assertAnswer(
        Cli.run("train", "--init", run, "--layers", 3), 2, "--layers 3 contradicts --init");
    assertAnswer(
        Cli.run("train", "--init", run, "--preset", "gpt2"), 2, "--preset gpt2 contradicts --init");
    assertAnswer(
        Cli.run("train", "--init", run, "--context", 9),
        2,
        "--context 9 is more than the 8 of --init");
  }

  @Test
  void optionsThatContradictTheRun() {
    Path run = model();
    assertAnswer(
        Cli.run("train", "--resume", run, "--layers", 3), 2, "--layers 3 contradicts --resume");
    assertAnswer(
        Cli.run("train", "--resume", run, "--lr", 1),
        2,
        "a run with --lr 3.0E-4".replace("3.0E-4", "0.002"));
    assertAnswer(Cli.run("train", "--resume", run, "--init", run), 2, "--init");
    assertAnswer(Cli.run("train", "--resume", run, "--out", run), 2, "--out contradicts --resume");
    assertAnswer(
        Cli.run(Map.of("GATUN_HEADS", "4"), "train", "--resume", run),
        2,
        "--heads 4 contradicts --resume");
  }

  @Test
  void unknownCommand() {
    assertAnswer(Cli.run("trian"), 2, "unknown command trian; did you mean train?");
  }

  @Test
  void sampleWithoutAModel() {
    assertAnswer(Cli.run("sample"), 2, "--model");
    assertAnswer(Cli.run("sample", "--model", folder, "--top-p", 2), 2, "--top-p 2: must be from");
    assertAnswer(
        Cli.run("sample", "--model", folder, "--max-tokens", -3),
        2,
        "--max-tokens -3: must be at least 1");
  }
}
