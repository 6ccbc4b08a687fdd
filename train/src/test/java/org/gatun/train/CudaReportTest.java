package org.gatun.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.gatun.cuda.Cuda;
import org.gatun.cuda.LibraryStatus;
import org.gatun.train.CudaReport.Line;
import org.junit.jupiter.api.Test;

class CudaReportTest {
  @Test
  void libraryThatIsThereIsOneLine() {
    var status = new LibraryStatus("NVRTC", Path.of("/opt/libnvrtc.so.13"), "13.0", null, List.of(), "get it");
    assertEquals(List.of(new Line("NVRTC", "13.0, /opt/libnvrtc.so.13")), CudaReport.describe(List.of(status)));
  }

  @Test
  void missingLibraryTellsWhatWasTriedAndWhatToDo() {
    var status = new LibraryStatus("the NVIDIA driver", null, null, "it is missing",
        List.of("not in /a, /c", "/b: broken"), "get it");
    assertEquals(
        List.of(new Line("driver", "it is missing"), new Line("", "tried: not in /a, /c"),
            new Line("", "tried: /b: broken"),
            new Line("", "to do: get it")),
        CudaReport.describe(List.of(status)));
  }

  @Test
  void whatTwoLibrariesLackIsExplainedOnce() {
    var one = new LibraryStatus("cuBLASLt", null, null, "cuBLASLt is missing", List.of("not in /a"), "get it");
    var other = new LibraryStatus("cuDNN", null, null, "cuBLASLt is missing", List.of("not in /a"), "get it");
    assertEquals(
        List.of(new Line("cuBLASLt", "cuBLASLt is missing"), new Line("", "tried: not in /a"),
            new Line("", "to do: get it"),
            new Line("cuDNN", "cuBLASLt is missing")),
        CudaReport.describe(List.of(one, other)));
  }

  @Test
  void thisMachineIsExplained() {
    List<Line> lines = CudaReport.lines();
    assertEquals("cuda", lines.getFirst().subject());
    Cuda.whyNot().ifPresent(reason -> assertEquals(reason, lines.getFirst().text()));
    List<String> subjects = lines.stream().map(Line::subject).toList();
    assertTrue(subjects.containsAll(List.of("driver", "NVRTC", "NVML")), subjects::toString);
    assertEquals(Cuda.deviceCount(), subjects.stream().filter(subject -> subject.startsWith("gpu ")).count());
  }
}
