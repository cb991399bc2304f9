/** The example application on all services, on the real platform. The same while they are killed: `npm run test:kill -- album`. */
import { test } from '../kit.ts'
import { albumSteps } from './album-steps.ts'
import { startLocalAlbum } from './local-album.ts'

test('a person signs up, adds photos, gets thumbnails and a list, deletes one, and every call can be followed', async () => {
  await using album = await startLocalAlbum({ isCalm: true })
  for (const { name, run } of albumSteps(album)) {
    await run().catch((error: unknown) => {
      throw new Error(`a person ${name}: ${error instanceof Error ? error.message : String(error)}\n${album.platform.output().slice(-5000)}`, { cause: error })
    })
  }
})
