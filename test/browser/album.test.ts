/** The album's page in a browser, narrow and wide: `npm run test:browser`. */
import * as assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codesIn } from '../e2e/album-steps.ts'
import { type LocalAlbum, startLocalAlbum } from '../e2e/local-album.ts'
import { cases, eventually, test } from '../kit.ts'
import { chromiumFile, openPage } from './open-page.ts'

const PHOTO = join(import.meta.dirname, '../fixtures/images/quarters.jpg')
/** The tile has no thumbnail for a while. */
const SHORT_MS = 500
/** For whoever wants to look: the folder is made. */
const pictures = process.env['pictures']

if (chromiumFile === undefined) {
  test('the page is not looked at: there is no Chromium (apt-get install chromium)', () => console.log('there is no Chromium here: apt-get install chromium'))
} else {
  let shared: Promise<LocalAlbum> | undefined
  const album = (): Promise<LocalAlbum> => shared ??= startLocalAlbum({ isCalm: true })
  cases('somebody signs up, adds photos, looks at one, deletes it and leaves, in a window that is', [
    { name: 'narrow', width: 340, height: 640 },
    { name: 'wide', width: 1280, height: 800 },
  ], async ({ name, width, height }) => {
    const { url, logsOf } = await album()
    await using opened = await openPage(`${url}/function/album`, { width, height })
    const { page, complaints } = opened
    const look = async (what: string): Promise<void> => {
      const widest = await page.evaluate('document.documentElement.scrollWidth')
      assert.ok(Number(widest) <= width, `${what}: ${widest} of ${width} pixels`)
      if (pictures === undefined) return
      mkdirSync(pictures, { recursive: true })
      await page.screenshot({ path: join(pictures, `${name}-${what}.png`) })
    }
    const email = `ada-${randomBytes(4).toString('hex')}@example.org`
    await page.getByLabel('E-mail address').fill(email)
    await page.getByLabel('Password').fill('the analytical engine weaves')
    await look('enter')
    await page.getByRole('button', { name: 'Sign up' }).click()
    await page.getByLabel('Code of the letter').waitFor()
    const code = await eventually('the letter is there', async () => codesIn(await logsOf('auth'), email).at(-1))
    await page.getByLabel('Code of the letter').fill(code)
    await look('code')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByText('No photos yet.').waitFor()
    await page.getByLabel('Add photos').setInputFiles([PHOTO, PHOTO.replace('.jpg', '-gray.jpg'), PHOTO.replace('.jpg', '-progressive.jpg')])
    await page.locator('li img').nth(2).waitFor()
    await look('photos')
    await page.reload()
    await page.locator('li img').nth(2).waitFor()
    const thumbnail = 'li:has-text("quarters.jpg") img'
    const before = await page.locator(thumbnail).getAttribute('src')
    await page.getByLabel('Add photos').setInputFiles({ name: 'quarters.jpg', mimeType: 'image/jpeg', buffer: readFileSync(PHOTO.replace('.jpg', '-gray.jpg')) })
    await eventually('a photo that is replaced has another thumbnail', async () => {
      const src = await page.locator(thumbnail).getAttribute('src', { timeout: SHORT_MS }).catch(() => null)
      return src !== null && src !== before
    })
    await page.getByRole('button', { name: 'quarters-gray.jpg' }).click()
    await page.getByRole('heading', { name: 'quarters-gray.jpg' }).waitFor()
    await eventually('the photo is shown as it is', async () => await page.evaluate(`document.querySelector('dialog img').naturalWidth`) === 96)
    await look('large')
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByText('2 photos.').waitFor()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('button', { name: 'Log in' }).waitFor()
    await look('left')
    assert.equal(await page.locator('li').count(), 0)
    assert.deepEqual(complaints, [])
  })
  test('the platform of these tests is ended', async () => (await album())[Symbol.asyncDispose]())
}
