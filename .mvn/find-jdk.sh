# Sourced by gatun, benchmarks/run and .ci/run. find_jdk sets jdk (a folder) and version (22, 23, ...) or ends with a sentence.
# Plain enough for the bash 3.2 of macOS.

fail() { printf '%s: %s\n' "${0##*/}" "$1" >&2; exit 1; }

# jdk_version HOME: the feature number of a JDK, 0 for anything else. Reads a file: starting java would cost more.
jdk_version() {
  local version=""
  if [ -x "$1/bin/javac" ] && [ -r "$1/release" ]; then
    version="$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release")"
  fi
  printf '%s' "${version:-0}"
}

# resolve FILE: the file at the end of a chain of links.
resolve() {
  local file="$1" link
  while [ -L "$file" ]; do
    link="$(readlink "$file")"
    case "$link" in
      /*) file="$link" ;;
      *) file="$(dirname "$file")/$link" ;;
    esac
  done
  printf '%s' "$file"
}

jdk=""
version=0
consider() {
  local found
  found="$(jdk_version "$1")"
  if [ "$found" -ge 22 ] && [ "$found" -gt "$version" ]; then
    jdk="$1"
    version="$found"
  fi
}

find_jdk() {
  if [ -n "${GATUN_JAVA_HOME:-}" ]; then
    consider "$GATUN_JAVA_HOME"
    [ -n "$jdk" ] || fail "GATUN_JAVA_HOME=$GATUN_JAVA_HOME is no JDK 22 or newer."
    return
  fi
  consider "${JAVA_HOME:-/nonexistent}"
  [ -n "$jdk" ] && return
  local home java
  java="$(command -v java || true)"
  consider "$(dirname "$(resolve "$java")")/.."
  [ -n "$jdk" ] && return
  for home in /usr/lib/jvm/* "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* /opt/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home "$HOME"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home; do
    consider "$home"
  done
  [ -n "$jdk" ] || fail "no JDK 22 or newer in GATUN_JAVA_HOME, JAVA_HOME, PATH, /usr/lib/jvm, ~/.sdkman, ~/.jdks, \
/opt and /Library/Java; install one (Debian 13, Ubuntu: apt install openjdk-25-jdk; macOS: brew install openjdk; \
any system: https://adoptium.net) or point GATUN_JAVA_HOME at it."
}

# package_jars MODULE: builds a module and those it needs with the JDK found, and no tests. Maven speaks only if it fails.
package_jars() {
  command -v mvn >/dev/null || fail "the jars must be built and there is no mvn; install Apache Maven 3.6.3 or newer."
  local options=(-B -ntp -q -Dmaven.test.skip=true -pl "$1" -am) log
  [ "$version" -ge 25 ] || options+=(-P javac-before-25)
  # The toolchains plugin looks at all variables called JAVA_*_HOME.
  log="$(JAVA_GATUN_HOME="$jdk" mvn "${options[@]}" package 2>&1 </dev/null)" || {
    printf '%s\n' "$log" >&2
    fail "the build failed; Maven's message is above."
  }
}
