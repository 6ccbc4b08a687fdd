package org.gatun.dist;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import org.gatun.tensor.Tensor;

/** Ranks that are threads of one process, each with its own CPU device: the contract of a communicator at its plainest. */
final class ThreadRank implements Communicator {
  /** What the ranks of a group share. */
  private record Meeting(CyclicBarrier barrier, float[][] floats, long[] numbers) {}

  private final Meeting meeting;
  private final int rank;

  private ThreadRank(Meeting meeting, int rank) {
    this.meeting = meeting;
    this.rank = rank;
  }

  /** A group, one member a rank. */
  static List<ThreadRank> group(int size) {
    var meeting = new Meeting(new CyclicBarrier(size), new float[size][], new long[size]);
    var ranks = new ArrayList<ThreadRank>();
    for (int rank = 0; rank < size; rank++) {
      ranks.add(new ThreadRank(meeting, rank));
    }
    return ranks;
  }

  @Override
  public int rank() {
    return rank;
  }

  @Override
  public int size() {
    return meeting.floats.length;
  }

  @Override
  public void allReduceMean(Tensor tensor) {
    meeting.floats[rank] = tensor.toArray();
    await();
    var mean = new float[meeting.floats[rank].length];
    for (int i = 0; i < mean.length; i++) {
      double sum = 0;
      for (float[] values : meeting.floats) {
        sum += values[i];
      }
      mean[i] = (float) (sum / size());
    }
    await();
    tensor.device().upload(tensor, MemorySegment.ofArray(mean));
  }

  @Override
  public void broadcast(Tensor tensor, int root) {
    meeting.floats[rank] = tensor.toArray();
    await();
    tensor.device().upload(tensor, MemorySegment.ofArray(meeting.floats[root]));
    await();
  }

  @Override
  public void join() {}

  @Override
  public void requireSame(String what, long value) {
    meeting.numbers[rank] = value;
    await();
    for (long number : meeting.numbers) {
      if (number != meeting.numbers[0]) {
        throw new IllegalStateException(what + " differ between ranks");
      }
    }
    await();
  }

  @Override
  public void abort() {
    meeting.barrier.reset();
  }

  @Override
  public void close() {}

  private void await() {
    try {
      meeting.barrier.await();
    } catch (InterruptedException | BrokenBarrierException e) {
      throw new IllegalStateException("another rank is gone", e);
    }
  }
}
