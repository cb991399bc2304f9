# What the machine must have; everything that is missing is said at once.
PACKAGES=(containerd runc containernetworking-plugins docker-registry iptables conntrack iproute2 openssl curl jq gcc libc6-dev)

needs_install() {
  local missing=() package
  for package in "${PACKAGES[@]}"; do is_installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing ${missing[*]}" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

needs_check() { # needs_check programs|machine
  local problems=() package missing=() controller
  for package in "${PACKAGES[@]}"; do is_installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] || problems+=("Debian packages are missing: apt-get install --no-install-recommends ${missing[*]} (or build.sh --install)")
  if [ "$1" = programs ]; then
    [[ $(go env GOVERSION 2>/dev/null) =~ ^go1\.(2[4-9]|[3-9][0-9]) ]] || problems+=("Go 1.24 or newer is not on PATH (Debian 12's own is older)")
    [ -x "$REPOSITORY/node_modules/node-linux-$(node_arch)/bin/node" ] || problems+=("Node for the images is missing: run npm ci")
  else
    [ "$(id -u)" = 0 ] || problems+=("root is needed, for namespaces and cgroups")
    for controller in $CONTROLLERS; do
      [ -e "/sys/fs/cgroup/$controller/cgroup.procs" ] || problems+=("cgroup v1 controller $controller is not at /sys/fs/cgroup/$controller (start Linux with systemd.unified_cgroup_hierarchy=0)")
    done
    grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || problems+=("the kernel has no overlay file system")
    for program in kube dns kine; do [ -x "$BIN/$program" ] || problems+=("$BIN/$program is missing: run build.sh"); done
    [ -e "$IMAGES.inputs" ] || problems+=("the images are missing: run build.sh")
  fi
  [ ${#problems[@]} -gt 0 ] || return 0
  printf '%s\n' "the cluster cannot be made here:" "${problems[@]/#/  - }" >&2
  exit 1
}
