#!/bin/bash
# build.sh [--install]: builds what the cluster needs, once: Kubernetes, its datastore, its DNS and three images.
# What is built is kept in $BRAMBLE_CLUSTER_CACHE (~/.cache/bramble-cluster) until its sources change; then a run
# does nothing. --install first installs the Debian packages.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../../.." && pwd)
# shellcheck source=settings.sh
. "$HERE/settings.sh"
. "$HERE/needs.sh"
. "$HERE/images.sh"
KUBERNETES=v1.34.4

step() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

# What went into a thing is written beside it: made again when that differs.
is_current() { [ -e "$1" ] && [ "$(cat "$1.inputs" 2>/dev/null)" = "$2" ]; }

go_build() { # go_build NAME PACKAGE ABOUT [BUILD FLAGS]: nothing is half there: built beside, then renamed
  local name=$1 package=$2 about=$3 inputs; shift 3
  inputs=$(cd "$HERE/programs" && { go version; cat go.mod go.sum; [ ! -d "$package" ] || cat "$package"/*; } | sha256sum)
  is_current "$BIN/$name" "$inputs" && return 0
  step "$about"
  (cd "$HERE/programs" && go build -trimpath -buildvcs=false "$@" -o "$BIN/$name.new" "$package")
  mv "$BIN/$name.new" "$BIN/$name"
  echo "$inputs" >"$BIN/$name.inputs"
}

[ "${1:-}" != --install ] || needs_install
needs_check programs
mkdir -p "$BIN"
export CGO_ENABLED=0
version=k8s.io/component-base/version
go_build kube ./kube "Kubernetes (the longest)" -ldflags \
  "-s -w -X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=34"
go_build dns ./dns "DNS" -ldflags '-s -w'
CGO_ENABLED=1 go_build kine github.com/k3s-io/kine "datastore" -ldflags '-s -w'
inputs=$({ cat "$BIN"/dns.inputs "$HERE"/images.sh "$HERE"/programs/pause.c; sha256sum "$REPOSITORY/node_modules/node-linux-$(node_arch)/bin/node"; } | sha256sum)
if ! is_current "$IMAGES" "$inputs"; then
  step "images"
  images_make
  echo "$inputs" >"$IMAGES.inputs"
fi
step "ready in $CACHE"
