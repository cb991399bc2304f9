/** `bramble images`, `bramble images prune` */
import { BrambleError } from '../lib/errors.ts'
import { createGate } from '../lib/gate.ts'
import { deleteManifest, listRepositories, listTags, readStoredImage, type StoredImage } from '../image/catalog.ts'
import { planPrune, type PrunePlan } from '../image/plan-prune.ts'
import { formatReference, parseReference, parseRegistryName, type Reference } from '../image/reference.ts'
import type { Registry } from '../image/registry.ts'
import { findStackFile, type StackFile } from '../stack/read-stack.ts'
import { createCommand, type Io } from './command.ts'
import { imagesInUse } from './images-in-use.ts'
import { sizeText } from './meter.ts'
import { createRegistryAccess, registryOptions } from './registry-access.ts'
import { gatewayOptions, openGateway, openStack, stackOptions } from './target.ts'
import { paint, print, table, tell } from './terminal.ts'

export const images = createCommand({
  name: 'images',
  usage: '[IMAGE…] [options], or prune [options]',
  summary: 'lists what is in the registry and its size; "prune" removes what no function uses',
  details: 'Registries are those of the stack file\'s images, or of --registry. Prune keeps what a function of the gateway, in any namespace,\n' +
    'or of the stack file uses, and touches only images made from Bramble\'s template. It removes nothing without --yes.',
  options: {
    registry: { type: 'string', multiple: true, value: 'HOST:PORT', meaning: 'this registry instead of those of the stack file' },
    ...registryOptions,
    'dry-run': { type: 'boolean', meaning: 'with prune: only say what would be removed' },
    yes: { type: 'boolean', short: 'y', meaning: 'with prune: remove it' },
    json: { type: 'boolean', meaning: 'the list as JSON' },
    gateway: gatewayOptions.gateway,
    yaml: stackOptions.yaml,
    envsubst: stackOptions.envsubst,
  },
  async run({ options, args, io }) {
    const [first, ...rest] = args
    const isPrune = first === 'prune'
    if (isPrune && rest.length > 0) throw new BrambleError('INVALID', `images prune does not know what to do with "${rest[0]}": it is about whole registries`)
    if (!isPrune && (options['dry-run'] || options.yes)) throw new BrambleError('INVALID', '--dry-run and --yes belong to "bramble images prune"')
    const stack = options.yaml !== undefined || findStackFile(io.cwd) ? await openStack(io, options) : undefined
    const named = isPrune ? [] : args.map(parseReference)
    const registries = chooseRegistries(named, options.registry ?? [], stack)
    const inUse = isPrune ? await imagesInUse(await openGateway(io, options, stack), stack) : []
    const signal = io.interrupted()
    const access = createRegistryAccess(io, options)
    const listed: Record<string, unknown>[] = []
    let code = 0
    try {
      for (const name of registries) {
        const registry = await access.open(name)
        const found = await readImages(io, registry, named.filter((one) => one.registry === name), [...inUse, ...referencesOf(stack)], signal)
        if (isPrune) code = Math.max(code, await prune(io, registry, found, inUse, { isConfirmed: options.yes === true, isDry: options['dry-run'] === true, signal }))
        else if (options.json) listed.push(...found.map((one) => asJson(name, one)))
        else show(io, name, found)
      }
    } finally {
      access.close()
    }
    if (options.json && !isPrune) print(io, JSON.stringify(listed, undefined, 2))
    return code
  },
})

/** Enough to keep a line busy; a small board answers no faster. */
const PARALLEL_READS = 4

function chooseRegistries(named: readonly Reference[], options: readonly string[], stack: StackFile | undefined): readonly string[] {
  const chosen = named.length > 0 ? named.map(({ registry }) => registry)
    : options.length > 0 ? options.map(parseRegistryName)
      : referencesOf(stack).map(({ registry }) => registry)
  if (chosen.length === 0) throw new BrambleError('INVALID', 'which registry? name it with --registry HOST:PORT, or go to a folder with a stack file')
  return [...new Set(chosen)]
}

function referencesOf(stack: StackFile | undefined): readonly Reference[] {
  return stack?.functions.map(({ image }) => parseReference(image)) ?? []
}

/** All images of a registry, or of the named repositories; of one that does not list itself, of the repositories that functions name. */
async function readImages(
  io: Io, registry: Registry, named: readonly Reference[], known: readonly Reference[], signal: AbortSignal,
): Promise<readonly StoredImage[]> {
  const ours = known.filter((one) => one.registry === registry.name)
  let repositories: readonly string[] = [...new Set(named.map(({ repository }) => repository))]
  if (named.length === 0) {
    repositories = await listRepositories(registry, signal).catch((error: unknown) => {
      if (!(error instanceof BrambleError) || error.code !== 'UNSUPPORTED' || ours.length === 0) throw error
      tell(io, paint(io, 'yellow', `${registry.name} does not list its repositories: these are those that functions name`))
      return [...new Set(ours.map(({ repository }) => repository))]
    })
  }
  const gate = createGate(PARALLEL_READS)
  const read = async (repository: string, tag: string): Promise<StoredImage[]> => {
    const leave = await gate.enter()
    try {
      const image = await readStoredImage(registry, repository, tag, signal)
      return image ? [image] : []
    } finally {
      leave()
    }
  }
  const images = await Promise.all(repositories.toSorted().map(async (repository) => {
    const tags = await listTags(registry, repository, signal)
    const tagged = (await Promise.all(tags.map((tag) => read(repository, tag)))).flat()
    // A function may run what has lost its tag since: no list shows it, and what it needs must stay.
    const lost = new Set(ours.flatMap((one) => one.repository === repository && one.digest !== undefined
      && !tagged.some(({ digest }) => digest === one.digest) ? [one.digest] : []))
    return [...tagged, ...(await Promise.all([...lost].map((digest) => read(repository, digest)))).flat()]
  }))
  return images.flat()
}

function show(io: Io, registry: string, found: readonly StoredImage[]): void {
  if (found.length === 0) return print(io, `${registry} has no images`)
  print(io, table([['IMAGE', 'PLATFORMS', 'SIZE', 'DIGEST'], ...found.map((one) =>
    [nameOf(registry, one), one.platforms.join(', '), sizeText(sizeOf([one])), one.digest])]))
  print(io, `${registry}: ${found.length} image${found.length === 1 ? '' : 's'}, ${sizeText(sizeOf(found))} together, shared layers counted once`)
}

type PruneOptions = { readonly isConfirmed: boolean; readonly isDry: boolean; readonly signal: AbortSignal }

async function prune(
  io: Io, registry: Registry, found: readonly StoredImage[], inUse: readonly Reference[], { isConfirmed, isDry, signal }: PruneOptions,
): Promise<number> {
  const plan = planPrune(registry.name, found, inUse)
  const kept = `${plan.used.length} in use${plan.foreign.length > 0 ? `, ${plan.foreign.length} not made by bramble` : ''}`
  if (plan.unused.length === 0) {
    print(io, `${registry.name}: nothing to remove (${kept})`)
    return 0
  }
  const isDone = isConfirmed && !isDry
  for (const one of plan.unused) print(io, `${isDone ? 'removing' : 'would remove'} ${nameOf(registry.name, one)}  ${sizeText(sizeOf([one]))}`)
  if (!isDone) {
    print(io, `${registry.name}: ${plan.unused.length} of ${found.length} images, ${sizeText(plan.freedBytes)} that nothing else needs; kept: ${kept}`)
    if (!isDry) tell(io, 'nothing was removed: confirm with "bramble images prune --yes"')
    return isDry ? 0 : 1
  }
  await remove(registry, plan, signal)
  print(io, `${registry.name}: removed ${plan.unused.length} image${plan.unused.length === 1 ? '' : 's'}; kept: ${kept}. ` +
    `Its next garbage collection frees ${sizeText(plan.freedBytes)} ("docker-registry garbage-collect CONFIG" while nobody pushes, without --delete-untagged)`)
  return 0
}

async function remove(registry: Registry, { manifests }: PrunePlan, signal: AbortSignal): Promise<void> {
  for (const { repository, digest } of manifests) await deleteManifest(registry, repository, digest, signal)
}

function nameOf(registry: string, { repository, tag }: StoredImage): string {
  return tag.includes(':') ? `${registry}/${repository}@${tag}` : formatReference({ registry, repository, tag })
}

/** Layers that images share count once. */
function sizeOf(found: readonly StoredImage[]): number {
  return [...new Map(found.flatMap(({ blobs }) => [...blobs])).values()].reduce((sum, size) => sum + size, 0)
}

function asJson(registry: string, one: StoredImage): Record<string, unknown> {
  return { image: nameOf(registry, one), digest: one.digest, platforms: one.platforms, bytes: sizeOf([one]), isFunction: one.isFunction }
}
