/** CPU time of this process so far, its own and the kernel's for it. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
