# Settings, each of which the environment may change; nothing is done here.

# Built programs and images, kept between runs.
CACHE=${BRAMBLE_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bramble-cluster}
BIN=$CACHE/bin
IMAGES=$CACHE/images

# Several clusters can live beside each other: 0 to 9, each with its own networks, links, cgroups and folder.
NUMBER=${BRAMBLE_CLUSTER:-0}
LINKS=bc$NUMBER                         # the links' names begin so; at most 15 characters
BRIDGE=$LINKS-lan
RUN=/var/tmp/bramble-cluster/$NUMBER    # the running cluster; `down` removes it
CGROUP=bramble-cluster-$NUMBER
LAN=10.47.$NUMBER
POD_CIDR=10.$((42 + 10 * NUMBER)).0.0/16        # number 0: K3s's own
SERVICES=10.$((43 + 10 * NUMBER)).0
SERVICE_CIDR=$SERVICES.0/16
DNS_IP=$SERVICES.10
REGISTRY=$LAN.10:5000

PI4_MEM_MIB=${PI4_MEM_MIB:-3800}          # a 4 GiB Pi 4B
ZERO_MEM_MIB=${ZERO_MEM_MIB:-416}         # a Pi Zero 2W as Linux shows it
ZERO_CPU_PERCENT=${ZERO_CPU_PERCENT:-0}   # above 0: each worker's share of one core
ZERO_RESERVED_MIB=${ZERO_RESERVED_MIB:-0} # above 0: memory the scheduler may not give to pods (systemReserved)
ZERO_MAX_PODS=${ZERO_MAX_PODS:-110}     # Kubernetes's own; with fewer a worker refuses what would thrash it
EVICT_MEMORY=${EVICT_MEMORY:-}            # for example 40Mi: evict below it; empty: never, as K3s
NODE_GO_ENV=${NODE_GO_ENV:-}              # for the nodes' daemons, for example "GOGC=30 GOMEMLIMIT=60MiB"
MONITOR_GRACE=${MONITOR_GRACE:-}          # --node-monitor-grace-period; empty: Kubernetes's own
CONTROLLERS="cpu cpuacct cpuset memory devices freezer blkio pids systemd"

case $NUMBER in [0-9]) ;; *) echo "BRAMBLE_CLUSTER is '$NUMBER': it is the cluster's number, 0 to 9" >&2; exit 2 ;; esac
