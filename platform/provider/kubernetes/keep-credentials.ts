/** Puts the password that the platform made into the secret where connectors and people look for it. */
import type { Log } from '../../lib/log.ts'
import type { Client } from './client.ts'
import { isApiError } from './errors.ts'
import { textsAt } from './json.ts'
import { PLATFORM_NAMESPACE } from './names.ts'
import { paths } from './paths.ts'

export type Credentials = { readonly user: string; readonly password: string }

const SECRET = 'basic-auth'

/** One that is there already stays: it is mounted, and what the platform runs with. */
export async function keepCredentials({ client, log }: { client: Client; log: Log }, { user, password }: Credentials): Promise<void> {
  const path = paths.secrets(PLATFORM_NAMESPACE, SECRET)
  try {
    if (textsAt(await client.get(path), 'data')['basic-auth-password']) return
    await client.merge(path, { data: { 'basic-auth-user': base64(user), 'basic-auth-password': base64(password) } })
    log.info('the password is in the secret basic-auth', { namespace: PLATFORM_NAMESPACE })
  } catch (error) {
    if (!isApiError(error, 404) && !isApiError(error, 403)) throw error
    log.warn('the password cannot be put into the secret basic-auth: apply deploy.yml', { namespace: PLATFORM_NAMESPACE })
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
