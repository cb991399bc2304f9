#!/bin/bash
# Moves itself into the node's cgroups, then becomes the parent of the node's first process.
set -euo pipefail
for controller in $CONTROLLERS; do echo $$ >"/sys/fs/cgroup/$controller/$CGROUP/$NODE/cgroup.procs"; done
exec unshare --net --mount --propagation private --cgroup --uts --ipc --pid --fork --kill-child "$@"
