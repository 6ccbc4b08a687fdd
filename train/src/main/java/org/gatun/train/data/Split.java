package org.gatun.train.data;

import java.util.Locale;

/** What tokens are for. */
public enum Split {
  /** To learn from. */
  TRAIN,
  /** To measure by. */
  VAL;

  /** As in file names: {@code train}, {@code val}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
