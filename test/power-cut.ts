/** The power going in the middle of the work: what disks that forget have in common. */

/** Thrown by the call in which the power went, and by all after it. */
export class PowerCut extends Error {}

/** A call that changes something. */
export type Step<Call extends string> = { readonly call: Call; readonly path: string }

/** `previous` is the step before it. */
export type IgnoresSync<Call extends string> = (step: Step<Call>, previous: Step<Call> | undefined) => boolean

/** The power goes in the `cutAt`th step. */
export type CutOptions<Call extends string> = { readonly cutAt?: number; readonly ignoresSync?: IgnoresSync<Call> }

export type Power<Call extends string> = {
  readonly steps: readonly Step<Call>[]
  isDead(): boolean
  /** Throws without power. */
  check(): void
  /** Carries it out; of the one that is cut `half` alone, and nothing of a sync that is ignored. */
  step(call: Call, path: string, body: () => void, half?: () => void): void
}

/** For one process. */
export function createPower<Call extends string>({ cutAt = Infinity, ignoresSync = () => false }: CutOptions<Call>): Power<Call> {
  const steps: Step<Call>[] = []
  let isDead = false
  const check = (): void => { if (isDead) throw new PowerCut('no power') }
  return {
    steps,
    isDead: () => isDead,
    check,
    step(call, path, body, half) {
      check()
      steps.push({ call, path })
      if (steps.length >= cutAt) {
        isDead = true
        half?.()
        throw new PowerCut('the power went')
      }
      if ((call !== 'sync' && call !== 'syncFolder') || !ignoresSync({ call, path }, steps.at(-2))) body()
    },
  }
}
