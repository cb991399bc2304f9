/** Whether an image can be public, as far as the name of its registry tells. Pure. */

const DOCKER_HUB = 'docker.io'
/** Domains that nobody on the Internet has. Source: RFC 6761, RFC 6762, RFC 8375, ICANN on `.internal`, and habit. */
const privateDomains = ['local', 'lan', 'internal', 'intranet', 'home', 'home.arpa', 'localhost', 'localdomain', 'test', 'invalid', 'example']
/** Source: RFC 1918, RFC 6598, RFC 3927, RFC 1122. */
const privateAddress = /^(?:10|127|169\.254|192\.168|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./
/** Each pull needs credentials. */
const askingRegistries = /\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com$/

/** `registry.local:5000` of `registry.local:5000/team/hello:1`; an image without one is on Docker Hub. */
export function registryHost(image: string): string {
  const first = image.includes('/') ? image.slice(0, image.indexOf('/')) : ''
  return /[.:]/.test(first) || first === 'localhost' ? first : DOCKER_HUB
}

/** `undefined` when nothing speaks against it: only the registry knows whether it is public, and there. */
export function whyPrivate(image: string): string | undefined {
  const host = registryHost(image).replace(/:\d+$/, '').toLowerCase()
  const isPrivateName = !host.includes('.') || privateDomains.some((domain) => host.endsWith(`.${domain}`))
  if (isPrivateName || privateAddress.test(host)) return 'this registry is of a private network'
  return askingRegistries.test(host) ? 'this registry always wants some' : undefined
}
