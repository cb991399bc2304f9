#!/usr/bin/env bash
# What the tests of images need beside Node: Debian packages. Does nothing where they are installed.
#   sudo test/image-host/install.sh && npm run test:images
set -euo pipefail
packages=(
  docker-registry apache2-utils openssl        # a registry with TLS and a password
  buildah                                      # builds the Dockerfiles
  containerd runc qemu-user-static             # runs images, also those for the other kind of machine
  binutils-x86-64-linux-gnu binutils-aarch64-linux-gnu git   # make images
  mmdebstrap                                   # npm run bench -- images: a root to compare with
)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
