/** What the jobs of the kill test call: each call from its beginning to its end, with its fencing number, and whatever it should not have seen. */
import { once } from 'node:events'
import { createServer } from 'node:http'

export type SchedulerTarget = AsyncDisposable & {
  readonly url: string
  /** Calls that ended with an answer, by job. */
  readonly done: ReadonlyMap<string, number>
  /** Jobs of whose end it was told. */
  readonly told: ReadonlySet<string>
  calls(): number
  /** Two calls of one run, or of a queue that allows one, at the same time. */
  overlaps(): readonly string[]
  /** From the end of a connection that broke to the next call of its run. */
  gapsMs(): readonly number[]
  /** A call with a number that is not greater than one that its run had before. */
  backwards(): readonly string[]
}

/** `?wait=` milliseconds, `?key=` what may not overlap beside the run, `?first=503` the answer to the first attempt. It answers its fencing number. What comes to `/told` are completions. */
export async function startSchedulerTarget(): Promise<SchedulerTarget> {
  const active = new Set<string>()
  const highest = new Map<string, number>()
  const done = new Map<string, number>()
  const told = new Set<string>()
  const overlaps: string[] = []
  const backwards: string[] = []
  const cutMs = new Map<string, number>()
  const gapsMs: number[] = []
  let calls = 0
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://target')
    const header = (name: string): string => String(request.headers[name] ?? '')
    const [run, job, fence] = [header('x-scheduler-run'), header('x-scheduler-job'), Number(header('x-scheduler-fence'))]
    const keys = [run, url.searchParams.get('key') ?? run]
    calls++
    const cut = cutMs.get(run)
    if (cut !== undefined && cutMs.delete(run)) gapsMs.push(performance.now() - cut)
    for (const key of new Set(keys)) {
      if (active.has(key)) overlaps.push(`${key} (fence ${fence})`)
      active.add(key)
    }
    if (fence <= (highest.get(run) ?? 0)) backwards.push(`${run}: ${fence} after ${highest.get(run)}`)
    highest.set(run, Math.max(fence, highest.get(run) ?? 0))
    const leave = (): void => { for (const key of keys) active.delete(key) }
    const timer = setTimeout(() => {
      leave()
      const isFirst = url.searchParams.has('first') && header('x-scheduler-attempt') === '1'
      if (url.pathname.endsWith('/told')) told.add(job)
      else if (!isFirst) done.set(job, (done.get(job) ?? 0) + 1)
      response.writeHead(isFirst ? Number(url.searchParams.get('first')) : 200).end(`fence ${fence}`)
    }, Number(url.searchParams.get('wait') ?? 0))
    response.on('close', () => {
      if (response.writableEnded) return
      clearTimeout(timer)
      cutMs.set(run, performance.now())
      leave()
    })
    request.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`, done, told,
    calls: () => calls, overlaps: () => overlaps, backwards: () => backwards, gapsMs: () => gapsMs,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
