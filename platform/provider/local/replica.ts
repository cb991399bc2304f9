/** One replica: a child process that leads its own process group, from its folders to its last line. */
import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { reasonOf } from '../../lib/errors.ts'
import type { Gate } from '../../lib/gate.ts'
import { volumePathOf } from '../../openfaas/volume.ts'
import type { Endpoint } from '../provider.ts'
import { commandOf, environmentOf, memoryLimitOf } from './command.ts'
import { explainExit, type Exit, type ExitFacts } from './exit.ts'
import { signalGroup } from './instance.ts'
import { createLineReader } from './lines.ts'
import type { LogWriter } from './logs.ts'
import type { Meter } from './meter.ts'
import { graceMsOf, silenceMsOf } from './patience.ts'
import type { Ports } from './ports.ts'
import { createProbe, probePathOf } from './probe.ts'
import type { Revision } from './revision.ts'
import type { Room, Rooms } from './rooms.ts'
import type { Settings } from './settings.ts'
import type { Volume, Volumes } from './volumes.ts'

export type Replica = {
  readonly instance: string
  readonly revision: Revision
  /** When its program was started; `undefined` before. */
  spawnedAtMs(): number | undefined
  /** Where it listens; only once it is ready. */
  endpoint(): Endpoint | undefined
  pid(): number | undefined
  /** What the last probe found; empty when it was fine. */
  whyNotReady(): string
  /** SIGTERM to the group, then SIGKILL after the grace. */
  end(graceMs?: number): void
  /** After the process, its folders and ports are gone too. */
  readonly gone: Promise<void>
}

/** What every replica needs of the provider. */
export type Workshop = {
  readonly settings: Settings
  readonly ports: Ports
  readonly rooms: Rooms
  readonly volumes: Volumes
  readonly meter: Meter
  readonly gatewayUrl: () => string
  readonly owner: () => string
  readonly nowMs: () => number
  /** Starts that are under way, of all functions. */
  readonly starts: Gate
}

export type ReplicaEvents = {
  /** It can take calls. */
  onReady(): void
  /** It can take no more calls; nothing is known of why yet. */
  onDown(): void
  /** Once, at the very end, unless it was asked to end. */
  onExit(exit: Exit): void
}

export type ReplicaRequest = {
  readonly instance: string
  readonly revision: Revision
  readonly user: number | undefined
  /** The values of its secrets; throws for the operator when one is gone. */
  readonly secrets: () => ReadonlyMap<string, Uint8Array>
  readonly output: LogWriter
}

/** Each tenth of its age a starting replica is asked again. */
const PROBES_PER_AGE = 10
/** Output that arrives after the end; a grandchild outside of the group may keep the pipe open for ever. */
const LAST_OUTPUT_MS = 100
/** Searched for the reason of an end. */
const REASON_LINES = 200

/** Starts at once; everything later comes through `events`. */
export function startReplica(workshop: Workshop, request: ReplicaRequest, events: ReplicaEvents): Replica {
  const { settings, ports, rooms, volumes, meter, nowMs } = workshop
  const { instance, revision, user, output } = request
  const spec = revision.spec
  const command = commandOf(spec, rooms.nodePath())
  const over = new AbortController()
  let child: ChildProcess | undefined
  let spawnedAtMs: number | undefined
  let endpoint: Endpoint | undefined
  let ownMetricsPort = 0
  let reason = ''
  let isEnding = false
  let killTimer: NodeJS.Timeout | undefined
  let endedBecause: ExitFacts['endedBecause']
  let leaveSlot = (): void => undefined

  const kill = (because: ExitFacts['endedBecause']): void => {
    if (over.signal.aborted || isEnding) return
    endedBecause = because
    if (child?.pid !== undefined) signalGroup(child.pid, 'SIGKILL')
  }

  const end = (graceMs = graceMsOf(spec, settings)): void => {
    const isFirst = !isEnding
    isEnding = true
    if (child?.pid === undefined || over.signal.aborted) return
    const group = child.pid
    // Once only: to many programs a second one means "now".
    if (isFirst) signalGroup(group, 'SIGTERM')
    clearTimeout(killTimer)
    killTimer = setTimeout(() => signalGroup(group, 'SIGKILL'), graceMs)
  }

  /** Resolves with what became of the process; its whole group is gone then. */
  const runProcess = async (room: Room, volumeFolder: string | undefined, port: number, metricsPort: number): Promise<ExitFacts> => {
    const started = spawn(command.program, command.args, {
      cwd: room.bundleFolder,
      env: environmentOf(spec, {
        port, metricsPort, volumeFolder, secretsFolder: room.secretsFolder, temporaryFolder: room.temporaryFolder,
        nodePath: rooms.nodePath(), gatewayUrl: workshop.gatewayUrl(), owner: workshop.owner(),
      }),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      // Node drops the supplementary groups too when it sets these.
      ...(user === undefined ? {} : { uid: user, gid: user }),
    })
    child = started
    ownMetricsPort = metricsPort
    spawnedAtMs = nowMs()
    const closed = new Promise<void>((resolve) => started.once('close', resolve))
    for (const stream of [started.stdout, started.stderr]) {
      const reader = createLineReader(settings.logLineChars, (line) => output.write(line))
      stream.on('data', (chunk: Buffer) => reader.push(chunk))
      stream.on('close', () => reader.end())
      stream.on('error', () => undefined)
    }
    const facts = await new Promise<Pick<ExitFacts, 'code' | 'signal' | 'spawnError'>>((resolve) => {
      started.once('exit', (code, signal) => resolve({ code, signal }))
      started.once('error', (spawnError) => resolve({ code: null, signal: null, spawnError }))
      if (started.pid === undefined) return
      const unwatch = meter.add(started.pid, memoryLimitOf(spec), (bytes) => kill({
        cause: 'out-of-memory',
        text: `ran out of memory (OOM): it used ${mebibytes(bytes)} of ${spec.limits?.memory ?? ''}; raise limits.memory`,
      }))
      over.signal.addEventListener('abort', unwatch)
      void watchHealth(port)
    })
    over.abort()
    leaveSlot()
    clearTimeout(killTimer)
    events.onDown()
    if (started.pid !== undefined) signalGroup(started.pid, 'SIGKILL')
    await Promise.race([closed, delay(LAST_OUTPUT_MS)])
    started.stdout.destroy()
    started.stderr.destroy()
    const lines = output.last(REASON_LINES)
    return { instance, program: command.program, ...facts, endedBecause, wasReady: endpoint !== undefined, lines }
  }

  /** Ready as soon as it says so; afterwards ended only when it answers nothing for long. */
  const watchHealth = async (port: number): Promise<void> => {
    const probe = createProbe({ port, path: probePathOf(spec), timeoutMs: settings.probeTimeoutMs })
    const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal: over.signal })
    const begunMs = nowMs()
    try {
      while (true) {
        const why = await probe.whyNotReady()
        if (over.signal.aborted) return
        reason = why ?? ''
        if (why === undefined) break
        await pause(Math.min(settings.probeMaxMs, Math.max(settings.probeFirstMs, (nowMs() - begunMs) / PROBES_PER_AGE)))
      }
      endpoint = { instance, host: '127.0.0.1', port, metricsPort: ownMetricsPort }
      leaveSlot()
      if (!isEnding) events.onReady()
      const silenceMs = silenceMsOf(spec, settings)
      for (let heardMs = nowMs(); ;) {
        await pause(settings.aliveEveryMs)
        if (await probe.isAlive()) heardMs = nowMs()
        const quietMs = nowMs() - heardMs
        if (quietMs > silenceMs) {
          kill({ cause: 'unresponsive', text: `did not answer for ${Math.round(quietMs / 1000)} s and was ended` })
        }
      }
    } catch (error) {
      if (!over.signal.aborted) throw error
    }
  }

  const live = async (): Promise<ExitFacts | undefined> => {
    leaveSlot = await workshop.starts.enter()
    const slotTimer = setTimeout(leaveSlot, settings.startSlotMs)
    let room: Room | undefined
    let volume: Volume | undefined
    const taken: number[] = []
    try {
      if (isEnding) return undefined
      room = await rooms.enter({ instance, bundle: revision.bundle, secrets: request.secrets(), user })
      if (volumePathOf(spec) !== undefined) volume = await volumes.enter(spec, user)
      taken.push(await ports.take(), await ports.take())
      const [port = 0, metricsPort = 0] = taken
      return isEnding ? undefined : await runProcess(room, volume?.folder, port, metricsPort)
    } finally {
      leaveSlot()
      clearTimeout(slotTimer)
      output.end()
      for (const port of taken) ports.giveBack(port)
      volume?.leave()
      await room?.leave()
    }
  }

  const gone = live().then(
    (facts) => {
      if (!isEnding && facts) events.onExit(explainExit(facts))
    },
    (error: unknown) => {
      over.abort()
      events.onDown()
      if (isEnding) return
      events.onExit({ instance, cause: 'cannot-run', text: `replica ${instance} cannot start: ${reasonOf(error)}`, lastLines: [] })
    },
  )

  return {
    instance,
    revision,
    spawnedAtMs: () => spawnedAtMs,
    endpoint: () => endpoint,
    pid: () => (over.signal.aborted ? undefined : child?.pid),
    whyNotReady: () => reason,
    end,
    gone,
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)}Mi`
}
