/** A small mail server: enough of RFC 5321 to take letters, or to refuse them. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

export type Received = { readonly from: string; readonly to: string; readonly login: string; readonly lines: readonly string[] }

export type SmtpServer = AsyncDisposable & {
  readonly port: number
  readonly received: readonly Received[]
  /** Everything that clients said, letters included. */
  readonly said: readonly string[]
  /** From now on letters are refused for the time being, or taken again. */
  refuse(isRefusing: boolean): void
}

export async function startSmtpServer(): Promise<SmtpServer> {
  const received: Received[] = []
  const said: string[] = []
  const sockets = new Set<Socket>()
  let isRefusing = false

  const converse = async (socket: Socket): Promise<void> => {
    const say = (line: string): void => void socket.write(`${line}\r\n`)
    const lines = linesOf(socket)
    let from = ''
    let to = ''
    let login = ''
    say('220 mail.test ESMTP')
    for await (const line of lines) {
      said.push(line)
      const verb = line.split(/[ :]/)[0]?.toUpperCase()
      if (verb === 'EHLO') { say('250-mail.test'); say('250 AUTH PLAIN') }
      else if (verb === 'AUTH') { login = Buffer.from(line.split(' ')[2] ?? '', 'base64').toString().replaceAll('\0', '|'); say('235 welcome') }
      else if (verb === 'MAIL') { from = line; say('250 ok') }
      else if (verb === 'RCPT') { to = line; say(isRefusing ? '451 come again later' : '250 ok') }
      else if (verb === 'DATA') {
        say('354 go on')
        const letter: string[] = []
        for await (const text of lines) {
          said.push(text)
          if (text === '.') break
          letter.push(text)
        }
        received.push({ from, to, login, lines: letter })
        say('250 taken')
      } else if (verb === 'QUIT') { say('221 bye'); socket.end() }
      else say(verb === 'RSET' ? '250 ok' : '502 not here')
    }
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    converse(socket).catch(() => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    received, said,
    refuse(value) { isRefusing = value },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** One iterator for a whole conversation: breaking out of a loop over it does not end it. */
function linesOf(socket: Socket): AsyncIterable<string> {
  const source = (async function* () {
    let rest = ''
    for await (const chunk of socket) {
      rest += String(chunk)
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        yield rest.slice(0, end)
        rest = rest.slice(end + 2)
      }
    }
  })()
  return { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) }
}
