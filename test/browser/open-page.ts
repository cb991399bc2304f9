/** A page in Debian's Chromium, as wide as it is wanted; what the page complains about is kept. */
import { existsSync } from 'node:fs'
import { chromium, type Page } from 'playwright-core'

export type OpenPage = AsyncDisposable & {
  readonly page: Page
  /** Errors of its scripts, refused resources and broken rules of its own policy. */
  readonly complaints: readonly string[]
}

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser']

/** `undefined` where there is none. */
export const chromiumFile: string | undefined = places.find((file) => existsSync(file))

export async function openPage(url: string, { width, height }: { readonly width: number; readonly height: number }): Promise<OpenPage> {
  if (chromiumFile === undefined) throw new Error(`there is no Chromium in ${places.join(' or ')}: apt-get install chromium`)
  // Pages of ours only; the sandbox wants rights that a container does not give.
  const browser = await chromium.launch({ executablePath: chromiumFile, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  const page = await browser.newPage({ viewport: { width, height } })
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()) })
  await page.goto(url)
  return { page, complaints, [Symbol.asyncDispose]: () => browser.close() }
}
