/** For development: letters go to the log, where their codes can be read. */
import type { Log } from '@bramble/runtime'
import type { Mailer } from './mailer.ts'

export function createLogMailer(log: Log): Mailer {
  return {
    async send({ to, subject, text }) {
      log.info('a letter (no smtp_host is set)', { to, subject, text })
    },
  }
}
