package org.gatun.dist;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.gatun.tensor.Parameter;
import org.gatun.tensor.Parameters;

/**
 * Averages gradients over ranks while the backward pass still runs (Li et al., "PyTorch Distributed", 2020). The flat gradients are cut
 * into neighbours of some megabytes; as soon as the last parameter of such a bucket has its gradient, the bucket leaves. Layers registered
 * last are ready first, so that their buckets travel while earlier layers are still being computed.
 *
 * <p>Pass {@link #ready} to {@code tape.backward} in the last micro-step of a step, and call {@link #finish} before the gradients are used.
 */
public final class GradientBuckets {
  /** Large enough to use the links well, small enough that the last one does not leave late: PyTorch's own size. */
  public static final long DEFAULT_BYTES = 25L << 20;

  private final Parameters parameters;
  private final Communicator communicator;
  private final List<Bucket> buckets;
  private final Map<Parameter, Bucket> bucketOf = new IdentityHashMap<>();

  /** Buckets of {@link #DEFAULT_BYTES}. */
  public GradientBuckets(Parameters parameters, Communicator communicator) {
    this(parameters, communicator, DEFAULT_BYTES);
  }

  /** Buckets of at least {@code byteSize} bytes, but for the last; a parameter is never cut. */
  public GradientBuckets(Parameters parameters, Communicator communicator, long byteSize) {
    if (byteSize < 1) {
      throw new IllegalArgumentException("buckets of " + byteSize + " bytes; give at least one byte");
    }
    this.parameters = parameters;
    this.communicator = communicator;
    this.buckets = cut(parameters.all(), byteSize);
    for (Bucket bucket : buckets) {
      bucket.members.forEach(member -> bucketOf.put(member, bucket));
    }
  }

  private static List<Bucket> cut(List<Parameter> all, long byteSize) {
    var buckets = new ArrayList<Bucket>();
    var members = new ArrayList<Parameter>();
    long bytes = 0;
    for (Parameter parameter : all.reversed()) {
      members.addFirst(parameter);
      bytes += Float.BYTES * parameter.shape().size();
      if (bytes >= byteSize) {
        buckets.add(new Bucket(List.copyOf(members)));
        members.clear();
        bytes = 0;
      }
    }
    if (!members.isEmpty()) {
      buckets.add(new Bucket(List.copyOf(members)));
    }
    return List.copyOf(buckets);
  }

  /** Tells that a parameter's gradient is complete; the last of a bucket sends the bucket off. */
  public void ready(Parameter parameter) {
    Bucket bucket = bucketOf.get(parameter);
    if (bucket == null) {
      throw new IllegalArgumentException(parameter + " is not one of the parameters these buckets were made for");
    }
    if (--bucket.missing == 0) {
      send(bucket);
    }
  }

  /**
   * Sends what has not left yet (buckets with a parameter that took no part in the step, whose gradient is zero), and makes later work of
   * the device wait until all gradients are averaged.
   */
  public void finish() {
    for (Bucket bucket : buckets) {
      if (bucket.missing > 0) {
        send(bucket);
      }
      bucket.missing = bucket.members.size();
    }
    communicator.join();
  }

  /** How many buckets there are. */
  public int count() {
    return buckets.size();
  }

  private void send(Bucket bucket) {
    bucket.missing = 0;
    communicator.allReduceMean(parameters.gradients(bucket.members.getFirst(), bucket.members.getLast()));
  }

  private static final class Bucket {
    private final List<Parameter> members;
    private int missing;

    Bucket(List<Parameter> members) {
      this.members = members;
      this.missing = members.size();
    }
  }
}
