/** Every limit of the local provider, with its unit and its reason. Tests hand in shorter ones. */
export type Settings = typeof defaultSettings

export const defaultSettings = {
  /** Replicas of one function: each costs some 15 MB and two ports. */
  maxReplicas: 100,
  /** Half of what there are user ids for, so that a freed one rests before it is given out again. */
  maxFunctions: 5_000,
  /** As Kubernetes. */
  maxSecretBytes: 1024 * 1024,
  /** A bundle is copied at each deployment that changes it; what is larger is no function. */
  maxBundleBytes: 512 * 1024 * 1024,

  /** Snapshots are looked through so long after one may have become useless: many deployments make one round. */
  collectAfterMs: 1_000,

  /** New replicas started at a time within one update: more need no patience, but memory for both versions. */
  updateStep: 5,
  /** Processes of all functions that are starting at a time: more only make each other slow. */
  maxStarting: 8,
  /** A start that takes longer no longer holds up others. */
  startSlotMs: 3_000,
  /** How long a new version may take to become ready before the update counts as failed. */
  readyDeadlineMs: 30_000,
  /** Ends of a new version's replicas before they were ready, after which the update counts as failed. */
  maxStartFailures: 3,

  /** The first restart comes at once, the second after this. */
  restartFirstMs: 100,
  restartMaxMs: 30_000,
  /** A replica that was ready this long ended for a reason of its own: counting starts anew. */
  stableAfterMs: 3_000,
  /** A replica whose port was taken by somebody else in between gets another one, so often. */
  maxPortTries: 5,
  /** So long after the event `describe` still shows that a replica ran out of memory. */
  showOutOfMemoryMs: 60_000,

  /** Probes of a starting replica: so soon after each other at first, then each tenth of its age, at most this. */
  probeFirstMs: 5,
  probeMaxMs: 1_000,
  probeTimeoutMs: 2_000,
  /** A ready replica is asked so often whether it still answers anything at all. */
  aliveEveryMs: 5_000,
  /** No answer for so long (or for the function's own timeout, if longer): it hangs and is replaced. */
  unresponsiveAfterMs: 30_000,

  /** Calls get so long to end when a replica leaves, unless the function's own timeouts say otherwise. */
  drainMs: 30_000,
  /** From SIGTERM to SIGKILL, unless the function's `shutdown_timeout` says otherwise. */
  graceMs: 10_000,
  /** From SIGTERM to SIGKILL when the platform stops: it has drained before. */
  stopMs: 5_000,

  /** Memory and CPU of every replica are read so often: a leak of 50 MB/s overshoots by that much. */
  meterEveryMs: 1_000,

  /** Kept of each replica's output. */
  logLines: 1_000,
  logBytes: 256 * 1024,
  /** Kept of the output of all replicas together; above it each keeps its fair share. */
  logTotalBytes: 16 * 1024 * 1024,
  /** A longer line is cut into several. */
  logLineChars: 16 * 1024,
  /** Replicas of a function that have ended and whose output is still kept. */
  logEndedReplicas: 3,
  /** Lines waiting for one reader of a followed log; beyond it lines are dropped, and it is told. */
  logQueueLines: 2_000,

  /** Below the range the kernel gives to outgoing connections (Linux 32768, macOS 49152). */
  firstPort: 20_000,
  lastPort: 29_999,
  /** User ids for functions when started as root: unused by Linux distributions, and inside a container's 65536. */
  firstUser: 50_000,
  lastUser: 59_999,
}
