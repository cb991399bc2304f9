#!/bin/bash
# cluster.sh: a real Kubernetes of several machines on this one, as root. build.sh makes what it runs.
#   up [WORKERS=2] | down | status | kubeconfig | kubectl ARGS…
#   sh NODE [CMD…] | logs NODE [SERVICE]      node pi4 is the control plane, zero-1… the workers
#   link NODE up|down                         the network cable
#   netem NODE DELAY|off                      each packet to NODE waits so long (200ms, 2s); off lets go of all
#   node-stop NODE | node-start NODE          all its processes end at once; the network hears of it
#   power-off NODE | power-on NODE            the same, and nobody hears of it
#   api stop|start                            the API server alone
#   settle                                    whoever waits before he asks it again, does so now
#   push LAYOUT NAME:TAG [DIGEST]             an OCI layout folder into the cluster's registry
#   mirror HOST[:PORT]                        nodes find that registry's images in the cluster's own
# BRAMBLE_CLUSTER=0…9 says which of several clusters; settings.sh has all settings.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in settings keys node images needs; do
  # shellcheck source=/dev/null
  . "$HERE/$part.sh"
done

log() { printf '%s %s\n' "$(date +%T.%3N)" "$*" >&2; }
die() { echo "cluster.sh: $*" >&2; exit 1; }
k() { "$BIN/kube" kubectl --kubeconfig "$RUN/keys/admin.conf" "$@"; }

wait_for() { # wait_for SECONDS WHAT CMD…
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$end" ] || die "gave up waiting for $what"
    sleep 0.1
  done
}

lan_up() {
  ip link add "$BRIDGE" type bridge
  ip addr add "$LAN.1/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
}

is_registered() { k get node "$1" -o 'jsonpath={.spec.podCIDR}' | grep -q /; }

# CNI configuration and routes need the pod addresses the controllers gave each node.
network_join() {
  local node pods
  for node in "$@"; do
    wait_for 60 "node $node to register" is_registered "$node"
    pods=$(k get node "$node" -o 'jsonpath={.spec.podCIDR}')
    echo "$pods" >"$RUN/nodes/$node/pod-cidr"
    cni_write "$node" "$pods"
  done
  routes_make
}

up() {
  local workers=${1:-2} names=(pi4) name i
  needs_check machine
  mkdir -p "$(dirname "$RUN")"
  mkdir "$RUN" 2>/dev/null || die "cluster $NUMBER is up, or was not cleaned: run '$0 down' first"
  trap failed EXIT
  mkdir "$RUN/nodes"
  # Later commands, a node's restart for one, take the settings it was made with.
  declare -p PI4_MEM_MIB ZERO_MEM_MIB ZERO_CPU_PERCENT ZERO_RESERVED_MIB ZERO_MAX_PODS EVICT_MEMORY NODE_GO_ENV MONITOR_GRACE | sed 's/^declare/& -g/' >"$RUN/settings"
  for ((i = 1; i <= workers; i++)); do names+=("zero-$i"); done
  log "keys";            keys_make "${names[@]}"
  log "control plane";   lan_up; node_make pi4; node_start pi4
  wait_for 60 registry curl -fs "http://$REGISTRY/v2/"
  log "images";          for name in pause dns node; do image_push "$IMAGES/$name" "$name:1" >/dev/null; done
  wait_for 120 "the API server" k get --raw /readyz
  log "workers";         for name in "${names[@]:1}"; do node_make "$name"; node_start "$name"; done
  network_join "${names[@]}"
  k label node pi4 node-role.kubernetes.io/control-plane=true >/dev/null
  sed -e "s#@REGISTRY@#$REGISTRY#; s#@DNS@#$DNS_IP#" "$HERE/manifests/dns.yaml" | k apply -f "$HERE/manifests/storage.yaml" -f - >/dev/null
  k wait --for=condition=Ready node --all --timeout=120s >/dev/null
  log "nodes are Ready"
  k -n kube-system rollout status deploy/coredns --timeout=120s >/dev/null
  log "DNS is ready"
  trap - EXIT
}

failed() { # a start that failed says what it can, and leaves nothing
  set +e
  tail -n 5 "$RUN"/nodes/*/log/*.log >&2
  timeout 10 "$BIN/kube" kubectl --kubeconfig "$RUN/keys/admin.conf" get nodes,pods -A -o wide >&2
  down
}

down() { # leaves nothing, whatever is there
  local node
  for node in $(node_names); do node_stop "$node"; done
  cgroups_remove
  ip link del "$BRIDGE" 2>/dev/null || true
  # A command that was killed may just be writing its last file.
  rm -rf "$RUN" 2>/dev/null || { sleep 1; rm -rf "$RUN"; }
  rmdir "$(dirname "$RUN")" 2>/dev/null || true
}

status() {
  local node
  for node in $(node_names); do
    printf '%-8s %-12s %-8s memory %s of %s MiB\n' "$node" "$(node_ip "$node")" \
      "$(node_alive "$node" && echo running || echo stopped)" \
      $(($(cat "$(cgroup memory "$node")/memory.usage_in_bytes" 2>/dev/null || echo 0) >> 20)) "$(node_mem "$node")"
  done
  [ ! -e "$RUN/keys/admin.conf" ] || k get nodes -o wide
}

api() {
  local pid
  case ${1:-} in
    stop)
      touch "$RUN/nodes/pi4/held/apiserver"
      # Not asked to end: it would first wait for those who watch.
      pid=$(cat "$RUN/nodes/pi4/pids/apiserver")
      in_node pi4 kill -KILL "$pid" || true
      wait_for 10 "the API server to end" not in_node pi4 kill -0 "$pid" ;;
    start)
      rm -f "$RUN/nodes/pi4/held/apiserver"
      wait_for 120 "the API server" k get --raw /readyz
      # On K3s they are one process with the API server and start again with it. Left alone they would go on waiting,
      # for up to a minute: no new Deployment would get its pods meanwhile.
      for service in controllers scheduler; do
        in_node pi4 kill -KILL "$(cat "$RUN/nodes/pi4/pids/$service")" || true
      done
      touch "$RUN/api-was-away" ;;
    *) usage ;;
  esac
}

# Who watches the API and found it away waits before he looks again: up to a minute, and longer each time it happens within
# two minutes (client-go). A test that comes after would wait for its pods as long. They begin anew here.
settle() {
  local node service
  [ -e "$RUN/api-was-away" ] || return 0
  rm "$RUN/api-was-away"
  for node in $(node_names); do
    for service in kubelet kube-proxy volumes; do
      [ ! -e "$RUN/nodes/$node/pids/$service" ] || in_node "$node" kill -KILL "$(cat "$RUN/nodes/$node/pids/$service")" || true
    done
  done
}

logs() {
  if [ $# -eq 1 ]; then ls "$RUN/nodes/$1/log"; else cat "$RUN/nodes/$1/log/$2.log"; fi
}

usage() { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }

command=${1:-}; [ $# -eq 0 ] || shift
# shellcheck source=/dev/null
[ "$command" = up ] || [ ! -e "$RUN/settings" ] || . "$RUN/settings"
case $command in
  sh | logs | link | netem | node-stop | node-start | power-off | power-on)
    [ -d "$RUN/nodes/${1:-none}" ] || die "cluster $NUMBER has no node '${1:-}': it has $(node_names | tr '\n' ' ')" ;;
esac
case $command in
  up) up "$@" ;;
  down) down ;;
  status) status ;;
  kubeconfig) echo "$RUN/keys/admin.conf" ;;
  kubectl) k "$@" ;;
  sh) node=$1; shift; in_node "$node" "${@:-bash}" ;;
  logs) logs "$@" ;;
  settle) settle ;;
  link) ip link set "$LINKS-$1" "$2" ;;
  netem) node_delay "$1" "$2" ;;
  node-stop) node_stop "$1" ;;
  power-off) node_power_off "$1" ;;
  node-start | power-on) node_start "$1" ;;
  api) api "$@" ;;
  push) image_push "$@" ;;
  mirror) for node in $(node_names); do registry_write "$RUN/nodes/$node" "$1"; done ;;
  *) usage ;;
esac
