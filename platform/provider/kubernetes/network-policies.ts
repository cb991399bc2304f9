/** Who may call functions, and where functions may call. Pure. */
import { BrambleError } from '../../lib/errors.ts'
import type { FunctionSpec } from '../../openfaas/types.ts'
import { EXITS_ANNOTATION, FUNCTION_LABEL, FUNCTION_PORT, GATEWAY_LABEL, METRICS_PORT, PLATFORM_NAMESPACE } from './names.ts'

/** Ports of the gateway's pods. */
const GATEWAY_PORT = 8080
const DNS_PORT = 53
/** Addresses of homes, clusters and machines themselves; `internet` is everything else. Source: RFC 6890. */
const NOT_INTERNET_4 = [
  '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16',
]
const NOT_INTERNET_6 = ['::1/128', 'fc00::/7', 'fe80::/10']

const gatewayPods = {
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': PLATFORM_NAMESPACE } },
  podSelector: { matchLabels: { app: GATEWAY_LABEL } },
}

/** For a whole namespace of functions: calls come from the gateway alone; out go questions to DNS and calls to the gateway. */
export function namespacePolicies(namespace: string): readonly { readonly name: string; readonly body: object }[] {
  const functions = { matchExpressions: [{ key: FUNCTION_LABEL, operator: 'Exists' }] }
  return [
    policy(namespace, 'bramble-default-deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    policy(namespace, 'bramble-functions', {
      podSelector: functions,
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [gatewayPods], ports: [tcp(FUNCTION_PORT), tcp(METRICS_PORT)] }],
      egress: [
        {
          to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } }, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
          ports: [{ protocol: 'UDP', port: DNS_PORT }, tcp(DNS_PORT)],
        },
        { to: [gatewayPods], ports: [tcp(GATEWAY_PORT)] },
      ],
    }),
  ]
}

/**
 * The exits a function declares: `bramble/exits: internet:443, 10.1.2.0/24:5432, 192.168.1.7`, separated by commas; without
 * a port all of them. `undefined` when it has none; `INVALID` for nonsense.
 */
export function exitsPolicy(spec: FunctionSpec): { readonly name: string; readonly body: object } | undefined {
  const text = spec.annotations[EXITS_ANNOTATION]
  if (text === undefined || text.trim() === '') return undefined
  const egress = text.split(',').map((part) => exitOf(part.trim()))
  return policy(spec.namespace, exitsPolicyName(spec.name), {
    podSelector: { matchLabels: { [FUNCTION_LABEL]: spec.name } }, policyTypes: ['Egress'], egress,
  })
}

export function exitsPolicyName(functionName: string): string {
  return `${functionName}-exits`
}

function exitOf(text: string): object {
  const [, place = '', portText] = /^(internet|[0-9.]+(?:\/[0-9]{1,2})?|\[[0-9a-fA-F:]+(?:\/[0-9]{1,3})?\])(?::([0-9]{1,5}))?$/.exec(text) ?? []
  const port = portText === undefined ? undefined : Number(portText)
  const isV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})(?:\.(?!\/|$)|(?=\/|$))){4}(?:\/(?:3[0-2]|[12]?[0-9]))?$/.test(place)
  if ((place !== 'internet' && !place.startsWith('[') && !isV4) || (port !== undefined && (port < 1 || port > 65_535)) || place === '') {
    throw new BrambleError('INVALID',
      `annotation ${EXITS_ANNOTATION}: "${text}" is not an exit like internet:443, 10.1.2.0/24:5432 or 192.168.1.7`)
  }
  return { to: blocksOf(place), ...(port === undefined ? {} : { ports: [tcp(port)] }) }
}

function blocksOf(place: string): readonly object[] {
  if (place === 'internet') {
    return [
      { ipBlock: { cidr: '0.0.0.0/0', except: NOT_INTERNET_4 } },
      { ipBlock: { cidr: '::/0', except: NOT_INTERNET_6 } },
    ]
  }
  const address = place.replace(/^\[|\]$/g, '')
  return [{ ipBlock: { cidr: address.includes('/') ? address : `${address}/${address.includes(':') ? 128 : 32}` } }]
}

function tcp(port: number): { readonly protocol: 'TCP'; readonly port: number } {
  return { protocol: 'TCP', port }
}

function policy(namespace: string, name: string, spec: object): { readonly name: string; readonly body: object } {
  return { name, body: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace }, spec } }
}
