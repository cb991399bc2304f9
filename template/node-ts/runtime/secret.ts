/** Secrets are files; the platform mounts them under `secret_mount_path`. */
import { builtin } from './builtin.ts'

/** The text of a secret without its last line break. Throws when the name is bad or nothing is mounted under it. */
export function secret(name: string): string {
  if (!/^[-._a-zA-Z0-9]{1,253}$/.test(name) || name === '.' || name === '..') {
    throw new Error(`${JSON.stringify(name)} cannot name a secret: letters, digits, "-", "_" and "." only`)
  }
  const folder = process.env['secret_mount_path'] || '/var/openfaas/secrets'
  try {
    return builtin('node:fs').readFileSync(`${folder}/${name}`, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw new Error(`secret ${name} cannot be read in ${folder}; is it listed under "secrets" of the function?`, { cause })
  }
}
