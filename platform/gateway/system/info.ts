/** `/system/info`: who answers. The CLI needs both `version` objects. */
import type { RequestHandler } from 'express'
import type { ProviderInfo } from '../../provider/provider.ts'

export type Version = { readonly release: string; readonly sha: string }

const archOf: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'arm64' }

export function getInfo(provider: ProviderInfo, version: Version): RequestHandler {
  return (_req, res) => {
    res.json({
      provider: { provider: provider.name, orchestration: provider.orchestration, version },
      version,
      arch: archOf[process.arch] ?? process.arch,
    })
  }
}
