package org.gatun.train;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.zip.CRC32C;
import org.gatun.dist.Communicator;
import org.gatun.dist.NcclCommunicator;
import org.gatun.dist.SingleProcess;
import org.gatun.gpu.CudaDevice;
import org.gatun.tensor.Device;
import org.gatun.tensor.Parameters;
import org.gatun.train.ranks.RankWatch;
import org.gatun.train.ranks.World;

/** This process's part in a run of one process or of many, one a GPU. */
final class Ranks implements AutoCloseable {
  /** How long a rank that was told to end may take over it before it is ended. */
  private static final Duration GRACE = Duration.ofSeconds(20);

  private final World world;
  private final Duration patience;
  private RankWatch watch;
  private volatile Communicator communicator = new SingleProcess();

  private Ranks(World world, Duration patience) {
    this.world = world;
    this.patience = patience;
  }

  /**
   * Meets the other ranks, if the environment says that there are any.
   *
   * @param signature what must be alike on all of them
   * @param patience how long they are waited for, here and whenever nothing gets on
   */
  static Ranks join(Map<String, String> environment, String signature, Duration patience) throws IOException {
    var ranks = new Ranks(world(environment), patience);
    if (ranks.world.size() > 1) {
      ranks.watch = RankWatch.join(ranks.world, signature, patience, ranks::failed);
    }
    return ranks;
  }

  /** Whether this process is rank 0, or alone. */
  static boolean isFirst(Map<String, String> environment) {
    return world(environment).rank() == 0;
  }

  private static World world(Map<String, String> environment) {
    try {
      return World.of(environment).orElse(new World(0, 1, 0, "localhost", 0));
    } catch (IllegalArgumentException e) {
      throw new WrongUse(e.getMessage());
    }
  }

  /** Ends what this rank is waiting for; and the process, should that not be enough. */
  private void failed(String reason) {
    communicator.abort();
    Thread.ofPlatform().daemon().start(() -> {
      try {
        Thread.sleep(GRACE);
      } catch (InterruptedException e) {
        return;
      }
      System.err.println("gatun: " + reason);
      Runtime.getRuntime().halt(1);
    });
  }

  /** Whether this is rank 0, which alone writes, prints and evaluates. */
  boolean isFirst() {
    return world.rank() == 0;
  }

  /** How many there are. */
  int size() {
    return world.size();
  }

  /** This one's number. */
  int rank() {
    return world.rank();
  }

  /** Its number on this machine. */
  int localRank() {
    return world.localRank();
  }

  /** Joins the collectives of a device; waits for all ranks. Close what it returns before the device. */
  Communicator connect(Device device) {
    if (size() > 1) {
      communicator = new NcclCommunicator(
          (CudaDevice) device, rank(), size(), world.host(), world.collectivePort(), patience);
    }
    return communicator;
  }

  /** The ranks this process belongs to; those that have not connected are alone. */
  Communicator communicator() {
    return communicator;
  }

  /** Gives all ranks the weights of rank 0, and sees that they have arrived. */
  void agree(Parameters parameters) {
    if (size() == 1) {
      return;
    }
    communicator.broadcast(parameters.masters(), 0);
    communicator.join();
    parameters.mastersChanged();
    communicator.requireSame("the weights", checksum(parameters.masters().toArray()));
  }

  private static long checksum(float[] values) {
    var sum = new CRC32C();
    var bytes = java.nio.ByteBuffer.allocate(1 << 16);
    for (int i = 0; i < values.length;) {
      bytes.clear();
      while (i < values.length && bytes.hasRemaining()) {
        bytes.putFloat(values[i++]);
      }
      sum.update(bytes.flip());
    }
    return sum.getValue();
  }

  /** This rank gets on. */
  void progress() throws IOException {
    if (watch != null) {
      watch.progress();
      throwFailure();
    }
  }

  /** Rank 0 gets on with what it does for all, while the others wait. */
  void alone() {
    if (watch != null) {
      watch.alone();
    }
  }

  /** What ended the group is the reason for whatever else goes wrong afterwards. */
  void throwFailure() throws IOException {
    String reason = watch == null ? null : watch.failure();
    if (reason != null) {
      throw new IOException(reason + (isFirst() ? "" : "; so rank " + rank() + " ends too"));
    }
  }

  @Override
  public void close() {
    if (watch != null) {
      watch.close();
    }
  }
}
