/**
 * A function without dependencies that does what a test asks of it: by its environment when it starts, by the path
 * when it is called. Written into a bundle folder as it is.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const source = (version: string): string => `
import { createServer } from 'node:http'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
const { env } = process
const version = env.version ?? ${JSON.stringify(version)}
let isReady = env.unready !== '1'
let kept = []
const attempt = (body) => { try { return String(body()) } catch (error) { return error.code ?? error.message } }
const paths = {
  '/_/ready': () => isReady ? [200, 'ready'] : [503, 'not ready'],
  '/_/health': () => [200, 'healthy'],
  '/ready/on': () => { isReady = true; return [200, 'on'] },
  '/ready/off': () => { isReady = false; return [200, 'off'] },
  '/version': () => [200, version],
  '/pid': () => [200, String(process.pid)],
  '/user': () => [200, JSON.stringify({ uid: process.getuid(), gid: process.getgid(), groups: process.getgroups() })],
  '/env': () => [200, JSON.stringify(env)],
  '/secret': ({ name }) => [200, attempt(() => readFileSync(env.secret_mount_path + '/' + name))],
  '/read': ({ path }) => [200, attempt(() => readFileSync(path))],
  '/list': ({ path }) => [200, attempt(() => readdirSync(path))],
  '/write': ({ path }) => [200, attempt(() => { writeFileSync(path, 'x'); return 'written' })],
  '/signal': ({ pid }) => [200, attempt(() => { process.kill(Number(pid), 'SIGKILL'); return 'killed' })],
  '/print': ({ text, times = '1' }) => { for (let i = 0; i < Number(times); i++) console.log(text); return [200, 'printed'] },
  '/exit': ({ code }) => { setImmediate(() => process.exit(Number(code))); return [200, 'bye'] },
  '/hang': () => { for (;;) {} },
  '/heap': () => { for (;;) kept.push(new Array(1000).fill({ a: 1 })) },
  '/buffers': ({ mib }) => { kept.push(Buffer.alloc(Number(mib) * 2 ** 20, 1)); return [200, 'kept'] },
  '/child': ({ ms }) => [200, String(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' }).pid)],
  '/burn': ({ ms }) => { const end = Date.now() + Number(ms); while (Date.now() < end); return [200, 'burnt'] },
}
if (env.say) console.log(env.say)
if (env.crash === '1') { console.error('crashing as asked'); process.exit(3) }
if (env.bad_port_once && !attempt(() => readFileSync(env.bad_port_once)).startsWith('x')) {
  writeFileSync(env.bad_port_once, 'x')
  console.error('Error: listen EADDRINUSE: address already in use')
  process.exit(1)
}
const server = createServer((req, res) => {
  const url = new URL(req.url, 'http://f')
  const delayMs = Number(url.searchParams.get('delay_ms') ?? 0)
  const answer = () => {
    const [status, text] = (paths[url.pathname] ?? (() => [404, 'no such path']))(Object.fromEntries(url.searchParams))
    res.writeHead(status).end(text)
  }
  if (delayMs > 0) setTimeout(answer, delayMs)
  else answer()
})
if (env.ready_paths === 'none') { delete paths['/_/ready']; delete paths['/_/health'] }
if (env.ready_paths === 'health') delete paths['/_/ready']
setTimeout(() => server.listen(Number(env.port), env.host), Number(env.start_delay_ms ?? 0))
if (env.ignore_sigterm === '1') process.on('SIGTERM', () => console.log('no'))
else process.on('SIGTERM', () => { console.log('told to end'); server.close(() => process.exit(0)); server.closeIdleConnections() })
`

/** Writes the bundle NAME; `version` is what `/version` answers unless the environment says otherwise. */
export async function writeBundle(functionsDir: string, name: string, version = '1'): Promise<void> {
  await mkdir(join(functionsDir, name), { recursive: true })
  await writeFile(join(functionsDir, name, 'index.mjs'), source(version))
}
