# Certificates with openssl; one authority for everything. Made at each `up`: they live as long as the cluster.
certificate() { # certificate FILE NAME ORGANISATION [OTHER NAMES]
  local file=$RUN/keys/$1 name=$2 organisation=$3 names=${4:-}
  openssl ecparam -name prime256v1 -genkey -noout -out "$file.key"
  openssl req -new -key "$file.key" -subj "/O=$organisation/CN=$name" -out "$file.csr"
  { echo "keyUsage=digitalSignature,keyEncipherment"
    echo "extendedKeyUsage=clientAuth,serverAuth"
    [ -z "$names" ] || echo "subjectAltName=$names"
  } >"$file.ext"
  openssl x509 -req -in "$file.csr" -CA "$RUN/keys/ca.crt" -CAkey "$RUN/keys/ca.key" -CAcreateserial \
    -days 30 -sha256 -extfile "$file.ext" -out "$file.crt" 2>/dev/null
  rm "$file.csr" "$file.ext"
}

client() { # client FILE NAME ORGANISATION [OTHER NAMES]: a certificate and a kubeconfig that holds it
  local file=$RUN/keys/$1
  certificate "$@"
  cat >"$file.conf" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: bramble, cluster: {server: "https://$LAN.10:6443", certificate-authority-data: $(base64 -w0 "$RUN/keys/ca.crt")}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$file.crt"), client-key-data: $(base64 -w0 "$file.key")}}]
contexts: [{name: bramble, context: {cluster: bramble, user: $1}}]
current-context: bramble
YAML
}

keys_make() { # keys_make NODE...
  local keys=$RUN/keys node
  mkdir -m 700 "$keys"
  openssl ecparam -name prime256v1 -genkey -noout -out "$keys/ca.key"
  openssl req -x509 -new -key "$keys/ca.key" -subj /CN=bramble-cluster -days 30 -out "$keys/ca.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature 2>/dev/null
  openssl genrsa -out "$keys/accounts.key" 2048 2>/dev/null
  openssl rsa -in "$keys/accounts.key" -pubout -out "$keys/accounts.pub" 2>/dev/null
  certificate apiserver kube-apiserver bramble \
    "IP:$LAN.10,IP:$SERVICES.1,IP:127.0.0.1,DNS:pi4,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
  certificate apiserver-kubelet kube-apiserver-kubelet-client system:masters
  client admin admin system:masters
  client controllers system:kube-controller-manager system:kube-controller-manager
  client scheduler system:kube-scheduler system:kube-scheduler
  client proxy system:kube-proxy system:node-proxier
  for node in "$@"; do
    client "node-$node" "system:node:$node" system:nodes "IP:$(node_ip "$node"),DNS:$node"
  done
}
