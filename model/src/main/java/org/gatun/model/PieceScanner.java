package org.gatun.model;

import java.util.Arrays;

/**
 * Cuts UTF-8 text where GPT-2 does before it merges bytes, by hand and without a regular expression:
 * {@code 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+}. Letters, numbers and
 * white space are Unicode's, of the version this JDK knows.
 */
final class PieceScanner {
  private static final byte OTHER = 0;
  private static final byte LETTER = 1;
  private static final byte NUMBER = 2;
  private static final byte SPACE = 3;

  /** White space beyond the ASCII range: Unicode's property of that name, which Character has no method for. */
  private static final int[] SPACES = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};

  /** Kinds of the characters of the basic plane; the others are looked up one by one. */
  private static final byte[] KINDS = kinds();

  private PieceScanner() {}

  private static byte[] kinds() {
    var kinds = new byte[Character.MIN_SUPPLEMENTARY_CODE_POINT];
    for (int c = 0; c < kinds.length; c++) {
      kinds[c] = kindByType(c);
    }
    Arrays.fill(kinds, '\t', '\r' + 1, SPACE);
    Arrays.fill(kinds, 0x2000, 0x200B, SPACE);
    kinds[' '] = SPACE;
    for (int space : SPACES) {
      kinds[space] = SPACE;
    }
    return kinds;
  }

  private static byte kindByType(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.UPPERCASE_LETTER, Character.LOWERCASE_LETTER, Character.TITLECASE_LETTER,
          Character.MODIFIER_LETTER, Character.OTHER_LETTER -> LETTER;
      case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
      default -> OTHER;
    };
  }

  /**
   * Where the piece ends that begins at {@code start}; {@code start < end}, and the bytes up to {@code
   * end} are whole characters of UTF-8.
   */
  static int pieceEnd(byte[] text, int start, int end) {
    byte first = text[start];
    if (first == '\'') {
      int contraction = contraction(text, start, end);
      if (contraction > 0) {
        return start + contraction;
      }
    }
    int run = start;
    if (first == ' ' && start + 1 < end && kind(text, start + 1) != SPACE) {
      run++;
    }
    byte kind = kind(text, run);
    return kind == SPACE ? spacesEnd(text, start, end) : runEnd(text, run, end, kind);
  }

  /** The length of an English contraction at an apostrophe; 0 if there is none. */
  private static int contraction(byte[] text, int start, int end) {
    if (start + 1 >= end) {
      return 0;
    }
    int second = text[start + 1];
    if (second == 's' || second == 't' || second == 'm' || second == 'd') {
      return 2;
    }
    if (start + 2 >= end) {
      return 0;
    }
    int third = text[start + 2];
    boolean three = second == 'r' && third == 'e' || second == 'v' && third == 'e' || second == 'l' && third == 'l';
    return three ? 3 : 0;
  }

  private static int runEnd(byte[] text, int start, int end, byte kind) {
    int at = start;
    while (at < end) {
      int c = text[at];
      if (c >= 0) {
        if (KINDS[c] != kind) {
          return at;
        }
        at++;
      } else {
        if (kind(text, at) != kind) {
          return at;
        }
        at += length(c);
      }
    }
    return at;
  }

  /** White space before something else leaves it its last character, if it has more than one. */
  private static int spacesEnd(byte[] text, int start, int end) {
    int at = start;
    int last = start;
    while (at < end && kind(text, at) == SPACE) {
      last = at;
      at += length(text[at]);
    }
    return at == end || last == start ? at : last;
  }

  private static byte kind(byte[] text, int at) {
    int c = text[at];
    if (c >= 0) {
      return KINDS[c];
    }
    int codePoint = codePoint(text, at);
    return codePoint < KINDS.length ? KINDS[codePoint] : kindByType(codePoint);
  }

  private static int codePoint(byte[] text, int at) {
    int c = text[at];
    return switch (length(c)) {
      case 2 -> (c & 0x1F) << 6 | text[at + 1] & 0x3F;
      case 3 -> (c & 0x0F) << 12 | (text[at + 1] & 0x3F) << 6 | text[at + 2] & 0x3F;
      default -> (c & 0x07) << 18 | (text[at + 1] & 0x3F) << 12 | (text[at + 2] & 0x3F) << 6 | text[at + 3] & 0x3F;
    };
  }

  /** Bytes of the character that begins with this byte. */
  private static int length(int c) {
    if (c >= 0) {
      return 1;
    }
    return (c & 0xF0) == 0xF0 ? 4 : (c & 0xE0) == 0xE0 ? 3 : 2;
  }

  /**
   * The largest place not above {@code end} (and above {@code start}) where a text may be cut in two so
   * that both halves have the tokens of the whole: where white space begins after something else, or where
   * a run of letters or of numbers ends. -1 if there is none.
   */
  static int lastCut(byte[] text, int start, int end) {
    int at = end;
    while (--at > start) {
      if ((text[at] & 0xC0) != 0x80) {
        int before = at - 1;
        while (before > start && (text[before] & 0xC0) == 0x80) {
          before--;
        }
        byte left = kind(text, before);
        byte right = kind(text, at);
        if (left != right && left != SPACE && (left != OTHER || right == SPACE)) {
          return at;
        }
      }
    }
    return -1;
  }
}
