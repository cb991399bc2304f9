/** `bramble login` */
import { BrambleError } from '../lib/errors.ts'
import { createClient, failure } from './client.ts'
import { createCommand, takeArguments } from './command.ts'
import { basicHeader, saveLogin } from './credentials.ts'
import { gatewayOptions, openGateway, stackOptions } from './target.ts'
import { paint, print, tell } from './terminal.ts'

export const login = createCommand({
  name: 'login',
  usage: '--password-stdin [options]',
  summary: 'checks user and password of a gateway, and keeps them where faas-cli does',
  options: {
    gateway: gatewayOptions.gateway,
    username: { type: 'string', short: 'u', value: 'NAME', meaning: 'the user (admin)' },
    'password-stdin': { type: 'boolean', short: 's', meaning: 'read the password from standard input' },
    password: { type: 'string', short: 'p', value: 'TEXT', meaning: 'the password (others can see it there)' },
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
  },
  async run({ options, args, io }) {
    takeArguments('login', '--password-stdin', args, 0)
    if (options.password !== undefined) {
      tell(io, paint(io, 'yellow', 'warning: a password on the command line is seen by other users and kept by the shell: use --password-stdin'))
    }
    let password = options.password ?? ''
    if (options['password-stdin']) {
      if (io.stdin.isTTY) tell(io, 'type the password: Ctrl-D ends it')
      io.stdin.setEncoding('utf8')
      for await (const chunk of io.stdin) password += String(chunk)
    }
    password = password.trim()
    if (password === '') throw new BrambleError('INVALID', 'the password is missing: pipe it into "bramble login --password-stdin"')
    const user = options.username ?? 'admin'
    const { url, userAgent } = await openGateway(io, options)
    const client = createClient({ url, userAgent, credentials: [{ header: basicHeader(user, password), origin: 'this login' }] })
    const reply = await client.system('GET', '/system/functions').catch((error: unknown) => {
      if (error instanceof BrambleError && error.code === 'UNAUTHORIZED') {
        throw new BrambleError('UNAUTHORIZED', `${url} refuses this user or password`, { cause: error })
      }
      throw error
    })
    if (reply.status !== 200) throw failure(reply)
    const file = await saveLogin(io, url, user, password)
    print(io, `credentials of ${user} for ${url} are kept in ${file}`)
    return 0
  },
})
