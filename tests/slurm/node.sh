#!/bin/bash
# Makes this namespace a machine called NAME and keeps one service of the cluster in it; touches no file of the host.
# usage: node.sh NAME BED USER 'PATH PATH …' COMMAND…
set -euo pipefail
name=$1 bed=$2 user=$3 visible=$4
shift 4

as_user() { setpriv --reuid="$user" --regid="$user" --clear-groups "$@"; }

# A path that the cluster's user may not reach (below /root, say) appears at its own place: only here, only for reading.
show() {
  local path=$1 staged=$2 above='' part
  local IFS=/
  for part in ${path#/}; do
    above=$above/$part
    if [ -e "$above" ] && ! as_user test -x "$above"; then mount -t tmpfs -o mode=755 tmpfs "$above"; fi
  done
  mkdir -p "$path"
  mount --bind "$staged" "$path"
  mount -o remount,bind,ro "$path"
}

hostname "$name"
mount --bind "$bed/etc/hosts" /etc/hosts
# Python 3.10 and uv where SkyPilot's login shells look for them; what the host has there stays.
mount -t overlay -o "lowerdir=$bed/bin:/usr/local/bin" overlay /usr/local/bin
mkdir -p "$bed/nodes/$name/tmp" "$bed/nodes/$name/stage"
chmod 1777 "$bed/nodes/$name/tmp"
mount -t tmpfs tmpfs "$bed/nodes/$name/stage"
number=0
for path in $visible; do
  mkdir "$bed/nodes/$name/stage/$((++number))"
  mount --bind "$path" "$bed/nodes/$name/stage/$number"
done
mount --bind "$bed/nodes/$name/tmp" /tmp
number=0
for path in $visible; do
  number=$((number + 1))
  as_user test -r "$path" || show "$path" "$bed/nodes/$name/stage/$number"
done
cd /
"$@" & wait $!  # bash stays the first process: it buries the orphans of the others
