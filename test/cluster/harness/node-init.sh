#!/bin/bash
# A node's first process: mounts what makes it a host of its own, then keeps its services running.
set -euo pipefail
PATH=$DIR/bin:$PATH
ETC=$DIR/etc

mounts() {
  local controller from to
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys                       # this network namespace's /sys/class/net
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for controller in $CONTROLLERS; do
    mkdir "/sys/fs/cgroup/$controller"
    case $controller in
      systemd) mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd ;;
      *) mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" ;;
    esac
  done
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock /run/netns
  while read -r from to; do mount --bind "$DIR/$from" "$to"; done <<LIST
var-lib /var/lib
var-log /var/log
fake/hosts /etc/hosts
fake/meminfo /proc/meminfo
fake/overcommit_memory /proc/sys/vm/overcommit_memory
fake/panic /proc/sys/kernel/panic
fake/panic_on_oops /proc/sys/kernel/panic_on_oops
fake/root_maxkeys /proc/sys/kernel/keys/root_maxkeys
fake/root_maxbytes /proc/sys/kernel/keys/root_maxbytes
LIST
  mount --bind "$DIR/fake/resolv.conf" "$(readlink -f /etc/resolv.conf)"
  [ ! -e /etc/machine-id ] || mount --bind "$DIR/fake/machine-id" /etc/machine-id
  mount --make-rshared /
  hostname "$NODE"
}

service() { # service NAME CMD...: runs it, logs it, starts it again when it ends, unless `held` says to wait
  local name=$1; shift
  while :; do
    while [ -e "$DIR/held/$name" ]; do sleep 0.1; done
    "$@" >>"$DIR/log/$name.log" 2>&1 &
    echo $! >"$DIR/pids/$name"
    wait $! || true
    echo "--- $name ended at $(date +%T)" >>"$DIR/log/$name.log"
    sleep 1
  done &
}

control_plane() {
  service kine kine --listen-address 127.0.0.1:2379 --metrics-bind-address 0 \
    --endpoint "sqlite:///var/lib/kine/state.db?_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate"
  cat >/run/registry.yml <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: /var/lib/registry}, delete: {enabled: true}}
http: {addr: "$REGISTRY"}
YAML
  service registry docker-registry serve /run/registry.yml
  service apiserver kube kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
    --advertise-address="$IP" --secure-port=6443 --service-cluster-ip-range="$SERVICE_CIDR" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --client-ca-file="$ETC/ca.crt" --tls-cert-file="$ETC/apiserver.crt" --tls-private-key-file="$ETC/apiserver.key" \
    --kubelet-client-certificate="$ETC/apiserver-kubelet.crt" --kubelet-client-key="$ETC/apiserver-kubelet.key" \
    --kubelet-certificate-authority="$ETC/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$ETC/accounts.pub" --service-account-signing-key-file="$ETC/accounts.key"
  until curl -fsk "https://$IP:6443/readyz" -o /dev/null 2>/dev/null; do sleep 0.1; done
  service controllers kube kube-controller-manager --kubeconfig="$ETC/controllers.conf" --leader-elect=false \
    --allocate-node-cidrs --cluster-cidr="$POD_CIDR" --node-cidr-mask-size=24 --service-cluster-ip-range="$SERVICE_CIDR" \
    --use-service-account-credentials --service-account-private-key-file="$ETC/accounts.key" --root-ca-file="$ETC/ca.crt" \
    --cluster-signing-cert-file="$ETC/ca.crt" --cluster-signing-key-file="$ETC/ca.key" \
    --authentication-kubeconfig="$ETC/controllers.conf" --authorization-kubeconfig="$ETC/controllers.conf" --bind-address=127.0.0.1 \
    ${MONITOR_GRACE:+--node-monitor-grace-period=$MONITOR_GRACE}
  service scheduler kube kube-scheduler --kubeconfig="$ETC/scheduler.conf" --leader-elect=false \
    --authentication-kubeconfig="$ETC/scheduler.conf" --authorization-kubeconfig="$ETC/scheduler.conf" --bind-address=127.0.0.1
  service volumes kube volumes --kubeconfig="$ETC/admin.conf" --folders="$RUN/nodes"
}

agent() {
  # shellcheck disable=SC2086
  service containerd env $NODE_GO_ENV containerd --config "$ETC/containerd.toml"
  until [ -S /run/containerd/containerd.sock ]; do sleep 0.05; done
  # shellcheck disable=SC2086
  service kubelet env $NODE_GO_ENV kube kubelet --config="$ETC/kubelet.yaml" --kubeconfig="$ETC/kubelet.conf" \
    --hostname-override="$NODE" --node-ip="$IP"
  # shellcheck disable=SC2086
  service kube-proxy env $NODE_GO_ENV kube kube-proxy --config="$ETC/proxy.yaml"
}

mounts
until ip route show default | grep -q .; do sleep 0.02; done   # the cable is plugged in from outside
[ "$NODE" != pi4 ] || control_plane
agent
while :; do wait || true; sleep 1; done
