/** What a cluster leaves on the machine: nothing, once it is down. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Everything of cluster `number` that can be seen from outside, as sentences. */
export function tracesOf(number: string): string[] {
  const folder = `/var/tmp/bramble-cluster/${number}`
  return [
    ...linesOf('ip', ['-o', 'link']).filter((line) => line.includes(` bc${number}-`)).map((line) => `link ${line}`),
    ...linesOf('ip', ['route']).filter((line) => line.includes(` 10.47.${number}.`)).map((line) => `route ${line}`),
    ...readdirSync('/sys/fs/cgroup').filter((controller) => existsSync(join('/sys/fs/cgroup', controller, `bramble-cluster-${number}`)))
      .map((controller) => `cgroup of ${controller}`),
    ...readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(`${folder}/`)).map((line) => `mount ${line}`),
    ...readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isOf(pid, number, folder)).map((pid) => `process ${pid}`),
    ...existsSync(folder) ? [`folder ${folder}`] : [],
  ]
}

function isOf(pid: string, number: string, folder: string): boolean {
  const read = (file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8')
    } catch {
      return '' // it has ended meanwhile
    }
  }
  return read('cgroup').includes(`/bramble-cluster-${number}/`) || read('cmdline').includes(`${folder}/`)
}

function linesOf(program: string, args: readonly string[]): string[] {
  return execFileSync(program, args, { encoding: 'utf8' }).split('\n')
}
