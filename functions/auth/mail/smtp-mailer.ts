/** Letters over SMTP. */
import { createTransport } from 'nodemailer'
import type { Mailer } from './mailer.ts'

export type SmtpSettings = {
  readonly host: string
  readonly port: number
  /** `tls` from the first byte, `starttls` or nothing at all; a server that offers no STARTTLS where it is asked for gets no letter. */
  readonly security: 'tls' | 'starttls' | 'none'
  /** Empty: no login. */
  readonly user: string
  readonly password: string
  readonly from: string
}

/** A mail server that says nothing for so long is down; the letter is tried again. */
const TIMEOUT_MS = 20_000

export function createSmtpMailer({ host, port, security, user, password, from }: SmtpSettings): Mailer {
  const transport = createTransport({
    host, port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(user === '' ? {} : { auth: { user, pass: password } }),
    connectionTimeout: TIMEOUT_MS, greetingTimeout: TIMEOUT_MS, socketTimeout: TIMEOUT_MS, dnsTimeout: TIMEOUT_MS,
    // A letter is text of ours: nothing in it is a file or an address to read from.
    disableFileAccess: true, disableUrlAccess: true,
  })
  return {
    async send({ to, subject, text }) {
      await transport.sendMail({ from, to, subject, text, headers: { 'Auto-Submitted': 'auto-generated' } })
    },
  }
}
