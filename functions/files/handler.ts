/** The files service: settings and secrets in, parts together. */
import { type ListenerHandler, log, secret } from '@bramble/runtime'
import { createDataClient } from '@bramble/runtime/service/data-client'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { serviceToken } from '@bramble/runtime/service/token'
import { createFiles } from './catalog/files.ts'
import { migrations } from './catalog/schema.ts'
import { createQuotas } from './catalog/usage.ts'
import { createWriteFile, type WriteFile } from './catalog/write-file.ts'
import { createLinks } from './content/links.ts'
import { createTakeIn } from './content/take-in.ts'
import { filesMetrics } from './files-metrics.ts'
import { createFilesService } from './files-service.ts'
import { createHooks } from './hooks.ts'
import { createAccessTokens } from './http/access-token.ts'
import { createJwks } from './http/jwks.ts'
import { createScrub } from './scrub.ts'
import { readSettings } from './settings.ts'
import { createFolderStore } from './storage/folder-store.ts'
import { createHashLocks } from './storage/hash-locks.ts'
import { nodeDisk } from './storage/node-disk.ts'
import { createAppend } from './tus/append.ts'
import { createSupersede } from './tus/supersede.ts'
import { createUploads } from './tus/upload-rows.ts'
import { createUpkeep } from './upkeep.ts'

/** The promise of a module, as the runtime takes it: health answers while the folder is looked at. */
export default start()

async function start(): Promise<{ readonly default: ListenerHandler }> {
  const settings = readSettings(process.env)
  const token = serviceToken()
  const nowMs = Date.now
  const store = createFolderStore({ disk: nodeDisk, folder: settings.folder, trustsFolder: settings.trustsFolder })
  await store.start()
  const db = createDataClient({ url: settings.dataUrl, database: settings.database, token, migrations })
  const quotas = createQuotas({ db, defaultQuotaBytes: settings.quotaBytes })
  const hooks = createHooks({ db, gatewayUrl: settings.gatewayUrl, token, functionName: settings.thumbnailFunction, log, nowMs })
  const catalog = createWriteFile({ db, quotas, defaultQuotaBytes: settings.quotaBytes, maxVersions: settings.maxVersions, maxFiles: settings.maxFiles, hookOf: hooks.bodyOf, nowMs })
  const transfers = { storedFiles: 0, storedBytes: 0 }
  const writeFile: WriteFile = {
    check: catalog.check,
    async write(write) {
      const written = await catalog.write(write)
      if (hooks.isMeant(write)) hooks.deliver()
      transfers.storedFiles++
      transfers.storedBytes += write.sizeBytes
      // With the call's id, by which it is followed. Paths and owners are people's own business.
      log.info('stored a file', { id: written.file.id, version: written.file.version, bytes: write.sizeBytes })
      return written
    },
  }
  const locks = createHashLocks()
  const takeIn = createTakeIn({ store, quotas, writeFile, locks, maxFileBytes: settings.maxFileBytes, minFreeBytes: settings.minFreeBytes })
  const files = createFiles({ db, nowMs })
  const personOf = createAccessTokens({ jwks: createJwks({ url: settings.jwksUrl, nowMs }), issuer: settings.issuer, audience: settings.audience, nowMs })
  const links = createLinks(secret('files-key'))
  const uploads = createUploads({ db, quotas, defaultQuotaBytes: settings.quotaBytes, lifeMs: settings.uploadMs, nowMs })
  const append = createAppend({ store, uploads, quotas, takeIn, writeFile, locks })
  const tus = { uploads, append, supersede: createSupersede(), takeIn, maxFileBytes: settings.maxFileBytes }
  const upkeep = createUpkeep({ db, store, locks, isLive: takeIn.isLive, trashMs: settings.trashMs, orphanMs: settings.orphanMs, log, nowMs })
  const scrub = createScrub({ db, store, everyMs: settings.scrubEveryMs, bytesPerSecond: settings.scrubBytesPerSecond, log, nowMs })
  let freeBytes = 0
  const look = async (): Promise<void> => {
    if (store.whyNotDurable() === undefined) freeBytes = await store.freeBytes()
    await upkeep.round()
    await scrub.startWhenDue()
  }
  const lookAgain = (): void => {
    look().catch((error: unknown) => log.warn('nothing could be tidied up', { error })).finally(() => setTimeout(lookAgain, settings.upkeepEveryMs))
  }
  addMetrics(() => filesMetrics({ transfers, hooks, scrub, freeBytes }))
  // What a process before this one could not tell any more.
  hooks.deliver()
  lookAgain()
  const deps = { db, store, files, quotas, writeFile, locks, takeIn, links, settings, nowMs }
  return { default: createFilesService(deps, tus, { scrub, upkeep }, { serviceToken: token, personOf }) }
}
