package org.gatun.train.ranks;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which of several processes this one is, as whatever started it says in the environment: torchrun and {@link Launcher} ({@code RANK},
 * {@code WORLD_SIZE}, {@code LOCAL_RANK}), Open MPI's mpirun, or Slurm's srun. {@code MASTER_ADDR} and {@code MASTER_PORT} say where rank 0
 * is to be met, for all of them.
 *
 * @param rank from 0 to before {@code size}
 * @param size how many processes there are
 * @param localRank the process's number on its machine, which is also its GPU's
 * @param host the name or address of rank 0's machine
 * @param port where rank 0's launcher may listen; the two ports that follow are ours (see {@link #watchPort} and {@link #collectivePort})
 */
public record World(int rank, int size, int localRank, String host, int port) {
  private static final int DEFAULT_PORT = 29500;

  /** How one launcher calls its variables. */
  private record Dialect(String name, String rank, String size, String localRank) {}

  private static final List<Dialect> DIALECTS = List.of(
      new Dialect("torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
      new Dialect("Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
      // The step's number of tasks, not the job's: a batch script itself is no task, though it has a SLURM_PROCID.
      new Dialect("Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"));

  /**
   * What the environment says; empty if this process was started alone.
   *
   * @throws IllegalArgumentException if it says something impossible or only part of what is needed
   */
  public static Optional<World> of(Map<String, String> environment) {
    for (Dialect dialect : DIALECTS) {
      if (environment.containsKey(dialect.size) && environment.containsKey(dialect.rank)) {
        World world = read(dialect, environment);
        return world.size == 1 ? Optional.empty() : Optional.of(world);
      }
    }
    return Optional.empty();
  }

  private static World read(Dialect dialect, Map<String, String> environment) {
    int size = number(dialect, dialect.size, environment, 1, 1 << 16);
    int rank = number(dialect, dialect.rank, environment, 0, size - 1);
    int localRank = number(dialect, dialect.localRank, environment, 0, size - 1);
    if (size == 1) {
      return new World(0, 1, localRank, "localhost", 0);
    }
    int port = environment.containsKey("MASTER_PORT")
        ? number(dialect, "MASTER_PORT", environment, 1, 65_533)
        : DEFAULT_PORT;
    return new World(rank, size, localRank, host(dialect, environment), port);
  }

  private static int number(Dialect dialect, String name, Map<String, String> environment, int least, int most) {
    String text = environment.get(name);
    try {
      int value = Integer.parseInt(text == null ? "" : text.strip());
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new IllegalArgumentException("the environment of " + dialect.name + " has " + name + "="
        + (text == null ? "(not set)" : text) + ", but a number from " + least + " to " + most
        + " was expected; start all ranks by one launcher, or unset " + dialect.size);
  }

  private static String host(Dialect dialect, Map<String, String> environment) {
    String host = environment.get("MASTER_ADDR");
    if (host != null && !host.isBlank()) {
      return host.strip();
    }
    String nodes = environment.get("SLURM_STEP_NODELIST");
    if (nodes != null) {
      return firstNode(nodes);
    }
    String onThisMachine = environment.get("OMPI_COMM_WORLD_LOCAL_SIZE");
    if (onThisMachine != null && onThisMachine.equals(environment.get("OMPI_COMM_WORLD_SIZE"))) {
      return "localhost";
    }
    throw new IllegalArgumentException("the environment of " + dialect.name
        + " does not say where rank 0 is; set MASTER_ADDR to its machine's name or address");
  }

  /** The first machine of a list in Slurm's notation: {@code node[03-07,09],login} begins with node03. */
  static String firstNode(String nodes) {
    int bracket = nodes.indexOf('[');
    int comma = nodes.indexOf(',');
    if (bracket < 0 || comma >= 0 && comma < bracket) {
      return comma < 0 ? nodes : nodes.substring(0, comma);
    }
    return nodes.substring(0, bracket) + nodes.substring(bracket + 1).split("[-,\\]]", 2)[0];
  }

  /** Where rank 0 listens for the others' signs of life; the launcher's own port may be taken by the launcher. */
  public int watchPort() {
    return port + 1;
  }

  /** Where the collective library's rank 0 listens. */
  public int collectivePort() {
    return port + 2;
  }

  /** What {@link #of} reads: for a process to be started as this rank. */
  public Map<String, String> environment() {
    var environment = new HashMap<String, String>();
    environment.put("RANK", Integer.toString(rank));
    environment.put("WORLD_SIZE", Integer.toString(size));
    environment.put("LOCAL_RANK", Integer.toString(localRank));
    environment.put("MASTER_ADDR", host);
    environment.put("MASTER_PORT", Integer.toString(port));
    return environment;
  }
}
