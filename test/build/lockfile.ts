/** Compares the lockfile of one function with the root's: what a Docker build installs is what was tested here. */

type Locked = { readonly name: string; readonly version: string; readonly integrity: string | undefined }

/** One line for each difference. The runtime is a part of the repository and not of a registry. */
export function checkLockfile(manifest: unknown, lock: unknown, rootLock: unknown): string[] {
  const declared = Object.entries(objectAt(manifest, 'dependencies')).filter(([name]) => name !== '@bramble/runtime')
  if (lock === undefined) return declared.length > 0 ? ['there is no package-lock.json'] : []
  const own = packagesOf(lock)
  const root = packagesOf(rootLock)
  const wrong: string[] = []
  for (const one of own) {
    const same = root.filter(({ name }) => name === one.name)
    const twin = same.find(({ version }) => version === one.version)
    if (same.length === 0) wrong.push(`${one.name} ${one.version} is not locked at the root`)
    else if (!twin) wrong.push(`${one.name} is ${one.version}, but ${same.map(({ version }) => version).join(' and ')} at the root`)
    else if (one.integrity && twin.integrity && one.integrity !== twin.integrity) {
      wrong.push(`${one.name} ${one.version} has another integrity than at the root`)
    }
  }
  for (const [name] of declared) if (!own.some((one) => one.name === name)) wrong.push(`${name} is declared but not locked`)
  const lockedFor = objectAt(objectAt(objectAt(lock, 'packages'), ''), 'dependencies')
  const isStale = declared.some(([name, range]) => lockedFor[name] !== range)
  if (isStale) wrong.push('package-lock.json was made for other dependencies: run npm install there')
  return wrong
}

function packagesOf(lock: unknown): Locked[] {
  return Object.entries(objectAt(lock, 'packages')).flatMap(([path, entry]) => {
    const name = path.split('node_modules/').at(-1) ?? ''
    const { version, integrity } = Object.fromEntries(Object.entries(objectAt({ entry }, 'entry')))
    const isPackage = path.includes('node_modules/') && typeof version === 'string' && name !== '@bramble/runtime'
    return isPackage ? [{ name, version, integrity: typeof integrity === 'string' ? integrity : undefined }] : []
  })
}

function objectAt(value: unknown, key: string): Record<string, unknown> {
  const found: unknown = typeof value === 'object' && value !== null ? Object.entries(value).find(([name]) => name === key)?.[1] : undefined
  return typeof found === 'object' && found !== null ? Object.fromEntries(Object.entries(found)) : {}
}
