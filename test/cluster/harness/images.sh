# OCI images: made by hand into layout folders, pushed with the registry's HTTP interface.

blob_add() { # blob_add LAYOUT FILE -> {"digest", "size"}: moves the file among the layout's blobs
  local digest
  digest=$(sha256sum "$2" | cut -d' ' -f1)
  printf '{"digest":"sha256:%s","size":%d}' "$digest" "$(stat -c %s "$2")"
  mv "$2" "$1/blobs/sha256/$digest"
}

layout_make() { # layout_make LAYOUT CONFIG_JSON LAYER_FOLDER...: one image; layers lowest first
  local layout=$1 config=$2 work folder layers='[]' diffs='[]' descriptor; shift 2
  rm -rf "$layout"
  mkdir -p "$layout/blobs/sha256"
  work=$(mktemp -d)
  for folder in "$@"; do
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$folder" -cf "$work/layer" .
    diffs=$(jq -c --arg digest "sha256:$(sha256sum "$work/layer" | cut -d' ' -f1)" '. + [$digest]' <<<"$diffs")
    gzip -1 -n <"$work/layer" >"$work/layer.gz"
    layers=$(jq -c --argjson blob "$(blob_add "$layout" "$work/layer.gz")" \
      '. + [{mediaType: "application/vnd.oci.image.layer.v1.tar+gzip"} + $blob]' <<<"$layers")
  done
  jq -nc --arg arch "$(dpkg --print-architecture)" --argjson config "$config" --argjson diffs "$diffs" \
    '{architecture: $arch, os: "linux", config: $config, rootfs: {type: "layers", diff_ids: $diffs}}' >"$work/config"
  jq -nc --argjson blob "$(blob_add "$layout" "$work/config")" --argjson layers "$layers" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: ({mediaType: "application/vnd.oci.image.config.v1+json"} + $blob), layers: $layers}' >"$work/manifest"
  descriptor=$(blob_add "$layout" "$work/manifest")
  jq -nc --argjson blob "$descriptor" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [{mediaType: "application/vnd.oci.image.manifest.v1+json"} + $blob]}' >"$layout/index.json"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  rm -r "$work"
}

images_make() { # what the harness itself needs, and Node: `docker run node:1 -e 'code'`, so to say
  local work node=$REPOSITORY/node_modules/node-linux-$(node_arch)/bin/node library
  work=$(mktemp -d)
  mkdir -p "$work"/{pause,dns,node/{usr/bin,etc,tmp}} "$IMAGES"
  gcc -Os -static -s -o "$work/pause/pause" "$HERE/programs/pause.c"
  layout_make "$IMAGES/pause" '{"Entrypoint":["/pause"]}' "$work/pause"
  cp "$BIN/dns" "$work/dns/dns"
  layout_make "$IMAGES/dns" '{"Entrypoint":["/dns"]}' "$work/dns"
  install -m 755 "$node" "$work/node/usr/bin/node"
  ldd "$node" | grep -o '/[^ ]*' | while read -r library; do install -D -m 755 "$library" "$work/node$library"; done
  chmod 1777 "$work/node/tmp"
  printf 'root:x:0:0::/root:/bin/false\nnobody:x:65534:65534::/:/bin/false\n' >"$work/node/etc/passwd"
  layout_make "$IMAGES/node" '{"Entrypoint":["/usr/bin/node"],"Env":["PATH=/usr/bin"],"User":"65534:65534"}' "$work/node"
  rm -r "$work"
}
node_arch() { case $(uname -m) in aarch64) echo arm64 ;; *) echo x64 ;; esac; }

blob_push() { # blob_push LAYOUT REPOSITORY DIGEST
  local url
  ! curl -fsI -o /dev/null "http://$REGISTRY/v2/$2/blobs/$3" 2>/dev/null || return 0
  url=$(curl -fsS -X POST -D - -o /dev/null "http://$REGISTRY/v2/$2/blobs/uploads/" | tr -d '\r' | sed -n 's/^Location: //Ip')
  curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1/blobs/${3/://}" "$url&digest=$3"
}

manifest_push() { # manifest_push LAYOUT REPOSITORY FILE TAG|DIGEST: first what it refers to
  local digest
  for digest in $(jq -r '.manifests[]?.digest' "$3"); do manifest_push "$1" "$2" "$1/blobs/${digest/://}" "$digest"; done
  for digest in $(jq -r '(.config // empty), .layers[]? | .digest' "$3"); do blob_push "$1" "$2" "$digest"; done
  curl -fsS -o /dev/null -X PUT --data-binary "@$3" "http://$REGISTRY/v2/$2/manifests/$4" \
    -H "Content-Type: $(jq -r '.mediaType // "application/vnd.oci.image.\(if .config then "manifest" else "index" end).v1+json"' "$3")"
}

image_push() { # image_push LAYOUT NAME:TAG [DIGEST] -> the reference pods use
  local digest=${3:-}
  [ -n "$digest" ] || digest=$(jq -r '.manifests | if length == 1 then .[0].digest else "" end' "$1/index.json")
  [ -n "$digest" ] || die "$1 holds several images: name one by its digest"
  manifest_push "$1" "${2%:*}" "$1/blobs/${digest/://}" "${2##*:}"
  echo "$REGISTRY/$2"
}
