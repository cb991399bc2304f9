/** Where messages go. Each way throws when it must be tried again; a message may arrive twice. */
import type { Message } from './watch-state.ts'

export type Way = 'webhook' | 'mail'
export type Delivery = { readonly ways: readonly Way[]; send(way: Way, message: Message): Promise<void> }

export type MailSettings = {
  readonly to: string
  readonly from: string
  readonly host: string
  readonly port: number
  readonly security: 'tls' | 'starttls' | 'none'
  /** Empty: no login. */
  readonly user: string
  readonly password: string
}

export type DeliveryDeps = { readonly webhook: string; readonly mail: MailSettings | undefined }

const TIMEOUT_MS = 15_000

export function createDelivery({ webhook, mail }: DeliveryDeps): Delivery {
  return {
    ways: [...webhook === '' ? [] : ['webhook' as const], ...mail === undefined ? [] : ['mail' as const]],
    async send(way, message) {
      if (way === 'webhook') await post(webhook, message)
      else if (mail !== undefined) await write(mail, message)
    },
  }
}

async function post(url: string, message: Message): Promise<void> {
  const answer = await fetch(url, {
    method: 'POST', signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error', body: JSON.stringify(bodyOf(message)),
    headers: { 'content-type': 'application/json', 'idempotency-key': message.id, 'user-agent': 'bramble-monitor/0.1.0' },
  })
  await answer.arrayBuffer()
  if (!answer.ok) throw new Error(`the webhook answered ${answer.status}`)
}

export function bodyOf({ id, alerts }: Message): Record<string, unknown> {
  return { id, status: alerts.some(({ state }) => state === 'firing') ? 'firing' : 'resolved', alerts }
}

async function write({ to, from, host, port, security, user, password }: MailSettings, message: Message): Promise<void> {
  // Loaded by the first letter: most days there is none.
  const { createTransport } = await import('nodemailer')
  const transport = createTransport({
    host, port, secure: security === 'tls', requireTLS: security === 'starttls', ignoreTLS: security === 'none',
    ...(user !== '' && { auth: { user, pass: password } }),
    connectionTimeout: TIMEOUT_MS, greetingTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS, dnsTimeout: TIMEOUT_MS,
    disableFileAccess: true, disableUrlAccess: true,
  })
  await transport.sendMail({ from, to, ...letterOf(message), headers: { 'Auto-Submitted': 'auto-generated', 'X-Bramble-Message': message.id } })
}

/** Plain text: nothing to render, nothing to track. */
export function letterOf({ alerts }: Pick<Message, 'alerts'>): { readonly subject: string; readonly text: string } {
  const firing = alerts.filter(({ state }) => state === 'firing')
  const first = (firing[0] ?? alerts[0])?.summary.replace(/[\r\n]+/g, ' ') ?? ''
  const more = alerts.length > 1 ? ` and ${alerts.length - 1} more` : ''
  return {
    subject: `${firing.length > 0 ? 'Alert' : 'Over'}: ${first}${more}`,
    text: alerts.map(({ rule, state, severity, summary, since }) => `${state === 'firing' ? severity.toUpperCase() : 'over'}: ${summary}\n  rule ${rule}, since ${since}\n`).join('\n'),
  }
}
