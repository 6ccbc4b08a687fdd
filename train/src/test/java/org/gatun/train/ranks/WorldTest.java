package org.gatun.train.ranks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WorldTest {
  @Test
  void aProcessStartedAloneIsOfNoGroup() {
    assertEquals(Optional.empty(), World.of(Map.of()));
    assertEquals(Optional.empty(), World.of(Map.of("RANK", "0", "WORLD_SIZE", "1", "LOCAL_RANK", "0")));
    assertEquals(Optional.empty(), World.of(Map.of("SLURM_PROCID", "0", "SLURM_NTASKS", "8")),
        "a batch script is no task");
  }

  @Test
  void torchrunsVariables() {
    var environment = Map.of(
        "RANK", "11", "WORLD_SIZE", "16", "LOCAL_RANK", "3", "MASTER_ADDR", "node01", "MASTER_PORT", "4000");
    var world = new World(11, 16, 3, "node01", 4000);
    assertEquals(Optional.of(world), World.of(environment));
    assertEquals(environment, world.environment());
    assertEquals(4001, world.watchPort());
    assertEquals(4002, world.collectivePort());
  }

  @Test
  void openMpisVariables() {
    var onOneMachine =
        Map.of("OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_SIZE", "2", "OMPI_COMM_WORLD_LOCAL_RANK", "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE", "2");
    assertEquals(Optional.of(new World(1, 2, 1, "localhost", 29500)), World.of(onOneMachine));
    var onTwo = Map.of("OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_SIZE", "2", "OMPI_COMM_WORLD_LOCAL_RANK", "0",
        "OMPI_COMM_WORLD_LOCAL_SIZE", "1");
    assertEquals(
        "the environment of Open MPI does not say where rank 0 is; set MASTER_ADDR to its machine's name or address",
        assertThrows(IllegalArgumentException.class, () -> World.of(onTwo)).getMessage());
  }

  @Test
  void slurmsVariables() {
    var environment = Map.of("SLURM_PROCID", "9", "SLURM_STEP_NUM_TASKS", "16", "SLURM_LOCALID", "1",
        "SLURM_STEP_NODELIST", "gpu[003-004],gpu9", "MASTER_PORT", "31000");
    assertEquals(Optional.of(new World(9, 16, 1, "gpu003", 31000)), World.of(environment));
  }

  @ParameterizedTest
  @CsvSource(delimiter = '|', textBlock = """
      node7             | node7
      node7,node8       | node7
      n[1-3]            | n1
      n[01,04-09]       | n01
      n[5]              | n5
      login,n[1-3]      | login
      rack1-n[10-12],x  | rack1-n10
      """)
  void theFirstMachineOfAList(String list, String first) {
    assertEquals(first, World.firstNode(list));
  }

  @ParameterizedTest
  @CsvSource({"RANK,2", "RANK,-1", "RANK,one", "WORLD_SIZE,0", "LOCAL_RANK,''", "MASTER_PORT,70000"})
  void impossibleNumbersAreNamed(String name, String value) {
    var environment = new java.util.HashMap<>(Map.of(
        "RANK", "1", "WORLD_SIZE", "2", "LOCAL_RANK", "1", "MASTER_ADDR", "localhost", "MASTER_PORT", "4000"));
    environment.put(name, value);
    String message = assertThrows(IllegalArgumentException.class, () -> World.of(environment)).getMessage();
    assertEquals(true,
        message.startsWith("the environment of torchrun has " + name + "=" + value + ", but a number from"), message);
  }
}
