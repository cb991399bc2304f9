/** Paths of the Kubernetes API. Pure. */

const enc = encodeURIComponent

const inNamespace = (group: string, resource: string) => (namespace: string, name?: string): string =>
  `/${group}/namespaces/${enc(namespace)}/${resource}${name === undefined ? '' : `/${enc(name)}`}`

const core = 'api/v1'

export const paths = {
  deployments: inNamespace('apis/apps/v1', 'deployments'),
  services: inNamespace(core, 'services'),
  pods: inNamespace(core, 'pods'),
  secrets: inNamespace(core, 'secrets'),
  claims: inNamespace(core, 'persistentvolumeclaims'),
  policies: inNamespace('apis/networking.k8s.io/v1', 'networkpolicies'),
  roleBindings: inNamespace('apis/rbac.authorization.k8s.io/v1', 'rolebindings'),
  profiles: inNamespace('apis/openfaas.com/v1', 'profiles'),
  functions: inNamespace('apis/openfaas.com/v1', 'functions'),
  namespaces: (name?: string): string => `/${core}/namespaces${name === undefined ? '' : `/${enc(name)}`}`,
  nodes: (): string => `/${core}/nodes`,
  podLog: (namespace: string, name: string): string => `${inNamespace(core, 'pods')(namespace, name)}/log`,
  podEviction: (namespace: string, name: string): string => `${inNamespace(core, 'pods')(namespace, name)}/eviction`,
  nodeSummary: (node: string): string => `/${core}/nodes/${enc(node)}/proxy/stats/summary`,
}
