#!/bin/sh
# Copies the single executable to the node and becomes it there: in the mount and cgroup namespaces of the node's first
# process, so that plugins find the node's programs, sockets and mounts, as they did when containerd 1.6 ran them.
# Needs hostPID, and a privileged container: it enters the node's namespaces.
#
#   on-the-node.sh DIRECTORY [ARGUMENTS...]
#
# DIRECTORY is where the container sees the node's /opt/nri-v01-bridge.
set -eu
directory=$1
shift
# By a rename, since the one before may still run. The configuration is a file of the container: it goes along.
for file in /opt/nri-v01-bridge/nri-v01-bridge /etc/nri-v01-bridge/config.yaml; do
  cp -p "$(readlink -f "$file")" "$directory/.next"
  mv -f "$directory/.next" "$directory/$(basename "$file")"
done
chown 0:0 "$directory"/*
exec nsenter --target 1 --mount --cgroup -- /opt/nri-v01-bridge/nri-v01-bridge "$@"
