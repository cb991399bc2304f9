# A node: network, mount, PID, cgroup, UTS and IPC namespaces of its own, and one cgroup (per v1 controller) that
# holds its processes and its pods. All of it ends with its first process.
node_names() { [ ! -d "$RUN/nodes" ] || ls "$RUN/nodes"; }
node_ip() { case $1 in pi4) echo "$LAN.10" ;; zero-*) echo "$LAN.$((10 + ${1#zero-}))" ;; esac; }
node_mem() { case $1 in pi4) echo "$PI4_MEM_MIB" ;; *) echo "$ZERO_MEM_MIB" ;; esac; }
node_alive() { local pid; pid=$(cat "$RUN/nodes/$1/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null; }
cgroup() { echo "/sys/fs/cgroup/$1/$CGROUP${2:+/$2}"; }

node_init() { # the node's first process, as this machine counts
  local pid; pid=$(cat "$RUN/nodes/$1/pid" 2>/dev/null) || die "$1 is not running"
  cat "/proc/$pid/task/$pid/children" 2>/dev/null | grep -o '[0-9]*' || die "$1 is not running"
}
in_network() { local init; init=$(node_init "$1"); shift; nsenter -t "$init" -n -- "$@"; }
in_node() { local init; init=$(node_init "$1"); shift; nsenter -t "$init" -m -p -n -u -i -C -- "$@"; }

cgroup_make() { # cgroup_make NODE
  local controller dir
  for controller in $CONTROLLERS; do
    for dir in "$(cgroup "$controller")" "$(cgroup "$controller" "$1")"; do
      mkdir -p "$dir"
      if [ "$controller" = cpuset ]; then
        cat /sys/fs/cgroup/cpuset/cpuset.cpus >"$dir/cpuset.cpus"
        cat /sys/fs/cgroup/cpuset/cpuset.mems >"$dir/cpuset.mems"
      fi
    done
  done
  # Load generators on the machine must not starve the cluster (each process outside weighs 1024).
  echo 16384 >"$(cgroup cpu)/cpu.shares"
  echo $(($(node_mem "$1") << 20)) >"$(cgroup memory "$1")/memory.limit_in_bytes"
  if [ "$1" != pi4 ] && [ "$ZERO_CPU_PERCENT" -gt 0 ]; then
    echo $((ZERO_CPU_PERCENT * 1000)) >"$(cgroup cpu "$1")/cpu.cfs_quota_us"   # of a period of 100 ms
  fi
}

cgroup_remove() { # cgroup_remove NODE: deepest first; the kernel may need a moment after the last process
  local controller attempt memory
  # Gives back its page cache, or it would be charged to nobody at the node's next start.
  memory=$(cgroup memory "$1")
  if [ -d "$memory" ]; then
    find "$memory" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null || true
    echo 0 >"$memory/memory.force_empty" 2>/dev/null || true
  fi
  for controller in $CONTROLLERS; do
    for attempt in {1..50}; do
      [ -d "$(cgroup "$controller" "$1")" ] || break
      find "$(cgroup "$controller" "$1")" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
  done
}
cgroups_remove() { local controller; for controller in $CONTROLLERS; do rmdir "$(cgroup "$controller")" 2>/dev/null || true; done; }
cgroup_processes() { find "$(cgroup pids "$1")" -name cgroup.procs -exec cat {} + 2>/dev/null || true; }

network_make() { # network_make NODE: its cable to the bridge
  ip link add "$LINKS-$1" type veth peer name eth0 netns "$(node_init "$1")"
  ip link set "$LINKS-$1" master "$BRIDGE" up
  # The default route is a dead end (nothing forwards there), but needed: without one, a process of the node that
  # dials a ClusterIP gets ENETUNREACH before kube-proxy's rules are looked at.
  in_network "$1" sh -c "ip link set lo up && ip addr add $(node_ip "$1")/24 dev eth0 && ip link set eth0 up &&
    ip route add default via $LAN.1 && sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0"
}

# Every node has a route to every other node's pods; this machine too, and to the Services by pi4.
routes_make() {
  local node other pods
  for node in $(node_names); do
    pods=$(cat "$RUN/nodes/$node/pod-cidr" 2>/dev/null) || continue
    ip route replace "$pods" via "$(node_ip "$node")"
    for other in $(node_names); do
      [ "$other" = "$node" ] || ! node_alive "$other" || in_network "$other" ip route replace "$pods" via "$(node_ip "$node")"
    done
  done
  ip route replace "$SERVICE_CIDR" via "$LAN.10"
}

cni_write() { # cni_write NODE POD_CIDR
  local folder=$RUN/nodes/$1/etc/cni
  cat >"$folder/.new" <<JSON
{"cniVersion":"1.0.0","name":"bramble","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"hairpinMode":true,
  "ipam":{"type":"host-local","ranges":[[{"subnet":"$2"}]],"routes":[{"dst":"0.0.0.0/0"}]}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
JSON
  mv "$folder/.new" "$folder/10-bridge.conflist"
}

# Page cache is charged to who reads first: each node has its own copies of its programs, not yet cached.
uncache() { local file; for file in "$@"; do sync "$file"; dd if="$file" iflag=nocache count=0 status=none; done; }

node_make() { # node_make NODE: its folders, programs and configuration
  local node=$1 dir=$RUN/nodes/$1
  mkdir -p "$dir"/{bin,etc/cni,var-lib/{kubelet,containerd,cni},var-log,volumes,log,pids,held,fake}
  cp "$BIN/kube" /usr/bin/containerd /usr/bin/containerd-shim-runc-v2 /usr/sbin/runc "$dir/bin/"
  cp "$RUN"/keys/{ca.crt,proxy.conf} "$dir/etc/"
  cp "$RUN/keys/node-$node.conf" "$dir/etc/kubelet.conf"
  cp "$RUN/keys/node-$node.crt" "$dir/etc/kubelet.crt"
  cp "$RUN/keys/node-$node.key" "$dir/etc/kubelet.key"
  if [ "$node" = pi4 ]; then
    mkdir -p "$dir/var-lib"/{kine,registry}
    cp "$BIN/kine" "$dir/bin/"
    cp "$RUN"/keys/* "$dir/etc/"
  fi
  uncache "$dir"/bin/*
  fakes_write "$node" "$dir/fake"
  containerd_write "$dir"
  kubelet_write "$node" "$dir/etc"
}

fakes_write() { # fakes_write NODE FOLDER: what the node sees instead of the machine's
  local kib=$(($(node_mem "$1") << 10))
  printf '%s: %d kB\n' MemTotal $kib MemFree $((kib / 2)) MemAvailable $((kib / 2)) Buffers 0 Cached 0 SwapCached 0 SwapTotal 0 SwapFree 0 >"$2/meminfo"
  # Kernel settings the kubelet would make for the whole machine: it finds them made.
  echo 1 >"$2/overcommit_memory"; echo 10 >"$2/panic"; echo 1 >"$2/panic_on_oops"
  echo 1000000 >"$2/root_maxkeys"; echo 25000000 >"$2/root_maxbytes"
  echo "bramble$NUMBER$1" | md5sum | cut -c1-32 >"$2/machine-id"
  printf '127.0.0.1 localhost\n%s %s\n' "$(node_ip "$1")" "$1" >"$2/hosts"
  echo "nameserver 127.0.0.1" >"$2/resolv.conf"
}

registry_write() { # registry_write NODE_FOLDER HOST: whose images are in the cluster's registry; read at each pull
  mkdir -p "$1/etc/registries/$2"
  cat >"$1/etc/registries/$2/hosts.toml" <<TOML
server = "http://$REGISTRY"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
TOML
}

containerd_write() { # containerd_write NODE_FOLDER
  registry_write "$1" "$REGISTRY"
  cat >"$1/etc/containerd.toml" <<TOML
version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs","io.containerd.snapshotter.v1.zfs","io.containerd.snapshotter.v1.devmapper","io.containerd.snapshotter.v1.aufs","io.containerd.tracing.processor.v1.otlp","io.containerd.internal.v1.tracing"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$REGISTRY/pause:1"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE runc dies with "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$1/etc/registries"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$1/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "$1/bin/runc"
TOML
}

kubelet_write() { # kubelet_write NODE FOLDER: the kubelet's and kube-proxy's configuration, as K3s has them
  local reserved="" pods=110
  [ "$1" = pi4 ] || pods=$ZERO_MAX_PODS
  [ "$1" = pi4 ] || [ "$ZERO_RESERVED_MIB" = 0 ] || reserved="systemReserved: {memory: ${ZERO_RESERVED_MIB}Mi}"
  cat >"$2/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $2/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $2/kubelet.crt
tlsPrivateKeyFile: $2/kubelet.key
cgroupDriver: cgroupfs
failSwapOn: false
failCgroupV1: false
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
serializeImagePulls: false
maxPods: $pods
evictionHard: {imagefs.available: "5%", nodefs.available: "5%"${EVICT_MEMORY:+, memory.available: "$EVICT_MEMORY"}}
evictionMinimumReclaim: {imagefs.available: "10%", nodefs.available: "10%"}
$reserved
YAML
  cat >"$2/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
hostnameOverride: $1
mode: iptables
clusterCIDR: $POD_CIDR
clientConnection: {kubeconfig: $2/proxy.conf}
# Zero: leave the machine's own settings alone.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
}

node_start() { # node_start NODE
  local node=$1 dir=$RUN/nodes/$1 settings
  ! node_alive "$node" || return 0
  cgroup_make "$node"
  settings=(NODE="$node" IP="$(node_ip "$node")" DIR="$dir" RUN="$RUN" POD_CIDR="$POD_CIDR" SERVICE_CIDR="$SERVICE_CIDR"
    REGISTRY="$REGISTRY" NODE_GO_ENV="$NODE_GO_ENV" MONITOR_GRACE="$MONITOR_GRACE" CONTROLLERS="$CONTROLLERS" CGROUP="$CGROUP")
  env "${settings[@]}" setsid "$HERE/node-enter.sh" "$HERE/node-init.sh" >>"$dir/log/init.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  wait_for 20 "the first process of $node (see $dir/log/init.log)" node_has_init "$node"
  network_make "$node"
  routes_make
}
node_has_init() { [ -n "$(cat "/proc/$(cat "$RUN/nodes/$1/pid")/task/"*/children 2>/dev/null)" ]; }

# All its processes at once; the kernel still says goodbye to their connections. What a reboot would lose (cgroups,
# links) goes too: with stale pod cgroups a node stays NotReady for minutes at its next start.
node_stop() { # node_stop NODE
  local node=$1 attempt processes
  for attempt in {1..100}; do
    processes=$(cgroup_processes "$node")
    [ -n "$processes" ] || break
    # shellcheck disable=SC2086
    kill -KILL $processes 2>/dev/null || true
    sleep 0.1
  done
  rm -f "$RUN/nodes/$node/pid" "$RUN/nodes/$node/pids/"* "$RUN/nodes/$node/held/"*
  ip link del "$LINKS-$node" 2>/dev/null || true
  cgroup_remove "$node"
}

# The plug is pulled: nobody hears of it.
node_power_off() { ip link set "$LINKS-$1" down 2>/dev/null || true; node_stop "$1"; }

# Holds each packet that comes to the node for a while. (A netfilter queue, for kernels without tc's netem.)
node_delay() { # node_delay NODE DELAY|off
  local rule=(PREROUTING -t mangle -i eth0 -j NFQUEUE --queue-num 47 --queue-bypass) dir=$RUN/nodes/$1 pid
  # First the rule, then the program: it lets go of all it holds when it ends.
  while in_network "$1" iptables -D "${rule[@]}" 2>/dev/null; do :; done
  if pid=$(cat "$dir/pids/delay" 2>/dev/null); then
    kill -TERM "$pid" 2>/dev/null || true
    wait_for 10 "the delay of $1 to end" not kill -0 "$pid"
    rm "$dir/pids/delay"
  fi
  [ "$2" != off ] || return 0
  : >"$dir/log/delay.log"
  # It ends with the node's processes, but its memory is not the node's.
  setsid bash -c "echo \$\$ >'$(cgroup pids "$1")/cgroup.procs' && exec nsenter -t $(node_init "$1") -n -- '$BIN/kube' delay --queue 47 --by '$2'" \
    >"$dir/log/delay.log" 2>&1 </dev/null &
  echo $! >"$dir/pids/delay"
  wait_for 10 "the delay of $1 (see $dir/log/delay.log)" grep -q ready "$dir/log/delay.log"
  in_network "$1" iptables -I "${rule[@]}"
}
not() { ! "$@"; }
