#!/bin/sh
# Installs the bridge where a runtime launches it by itself: an executable NN-name in the runtime's plugin directory.
#
#   install.sh --bundle /opt/nri-v01-bridge/nri-v01-bridge.mjs [--node /usr/bin/node]    a launcher for the bundle
#   install.sh --executable dist/nri-v01-bridge                                         the single executable itself
#   both take: [--directory /opt/nri/plugins] [--name 10-v01-bridge]
#              [--command /usr/local/bin/nri-v01-bridge]    the same program for people: doctor, check, explain
#
# The runtime starts it at the runtime's next start. A launched plugin that does not work makes containerd 1.7 exit, and so
# does any other executable in that directory: so everything is tried first, and appears there whole and by its last name.
set -eu

directory=/opt/nri/plugins name=10-v01-bridge node='' bundle='' executable='' command=''
here=$(dirname "$0")

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

help() {
  # What stands above, but for the first line.
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
  exit 0
}

while [ $# -gt 0 ]; do
  case $1 in -h | --help) help ;; esac
  [ $# -gt 1 ] || fail "$1 wants a value"
  case $1 in
  --bundle) bundle=$2 ;;
  --node) node=$2 ;;
  --executable) executable=$2 ;;
  --directory) directory=$2 ;;
  --name) name=$2 ;;
  --command) command=$2 ;;
  *) fail "unknown option $1" ;;
  esac
  shift 2
done

case $name in
[0-9][0-9]-?*) ;;
*) fail "$name: a runtime wants NN-name, such as 10-v01-bridge" ;;
esac
case $name in
*[!A-Za-z0-9_.+-]*) fail "$name: letters, digits, and _ . + - are allowed" ;;
esac

# An absolute path with every link resolved, which the launcher's shell and sed take as it is.
resolve() {
  [ -f "$1" ] || fail "$1: no such file"
  resolved=$(readlink -f "$1")
  case $resolved in *[!A-Za-z0-9_./+@:=,-]*) fail "$resolved: a path of plain letters is wanted" ;; esac
  echo "$resolved"
}

mkdir -p "$directory"
# Beside the directory and not in it: the runtime must never see half a file. A rename is in one file system.
temporary=$(mktemp "$(dirname "$directory")/.nri-v01-bridge.XXXXXX")
trap 'rm -f "$temporary"' EXIT

if [ -n "$executable" ]; then
  [ -z "$bundle$node" ] || fail "--executable is all, without --bundle and --node"
  cp "$(resolve "$executable")" "$temporary"
elif [ -n "$bundle" ]; then
  [ -n "$node" ] || node=$(command -v node) || fail "node is not on PATH: say --node FILE"
  node=$(resolve "$node") bundle=$(resolve "$bundle")
  sed -e "s|@NODE@|$node|" -e "s|@BUNDLE@|$bundle|" -e "s|@NAME@|$name|" "$here/10-v01-bridge.in" >"$temporary"
else
  fail "--bundle FILE or --executable FILE is wanted"
fi
chmod 0755 "$temporary"
if [ -n "$executable" ]; then
  env -i "$temporary" version >/dev/null || fail "$executable does not run here"
else
  env -i "$node" "$bundle" version >/dev/null || fail "$node $bundle does not run here"
fi
mv -f "$temporary" "$directory/$name"
trap - EXIT
if [ -n "$command" ]; then
  mkdir -p "$(dirname "$command")"
  # A link to the launched file and no copy: the two cannot differ. As the launcher hands no arguments on, it gets one of its own.
  if [ -n "$executable" ]; then
    ln -sfn "$(readlink -f "$directory/$name")" "$command"
  else
    rm -f "$command"
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$node" "$bundle" >"$command"
    chmod 0755 "$command"
  fi
fi

for other in "$directory"/*; do
  if [ ! -f "$other" ] || [ ! -x "$other" ]; then continue; fi
  case $(basename "$other") in
  [0-9][0-9]-?*) ;;
  *) echo "install.sh: $other is not named NN-name: containerd 1.7 will not start with it there" >&2 ;;
  esac
done
echo "$directory/$name is in place. Its configuration is /etc/nri/conf.d/$name.conf; restart the runtime to start it."
