/** What the page does, in the browser's own JavaScript. */
export const script = String.raw`
const services = location.pathname.split('/album')[0]
const album = services + '/album/photos', auth = services + '/auth/v1/', files = services + '/files/v1/files/photos/'
/** Thumbnails are made one after another; after so long they are not waited for. */
const LOOK_EVERY_MS = 1500, LOOKS = 40
const $ = (id) => document.getElementById(id)
const thumbnails = new Map()
let session = JSON.parse(sessionStorage.getItem('album') ?? 'null')

function say(text, isError = false) {
  $('status').textContent = text
  $('status').className = isError ? 'error' : ''
}

function keep(tokens) {
  session = tokens
  if (tokens) sessionStorage.setItem('album', JSON.stringify(tokens))
  else sessionStorage.removeItem('album')
  $('enter').hidden = Boolean(tokens)
  $('mine').hidden = $('photos').hidden = !tokens
}

async function explain(answer) {
  const text = await answer.text()
  try { return JSON.parse(text).detail ?? text } catch { return text }
}

async function post(path, value) {
  const answer = await fetch(auth + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
  if (!answer.ok) throw new Error(await explain(answer))
  return answer.status === 204 ? undefined : answer.json()
}

/** As the person who is logged in; an access token that is over is renewed once. */
async function call(url, init = {}, isAgain = false) {
  const answer = await fetch(url, { ...init, headers: { ...init.headers, authorization: 'Bearer ' + session?.access_token } })
  if (answer.status === 401 && !isAgain && session) {
    try {
      keep(await post('refresh', { refresh_token: session.refresh_token }))
    } catch {
      keep(null)
      throw new Error('Log in again.')
    }
    return call(url, init, true)
  }
  if (!answer.ok) throw new Error(await explain(answer))
  return answer
}

$('enter').addEventListener('submit', async (event) => {
  event.preventDefault()
  const { email, password, code } = Object.fromEntries(new FormData($('enter')))
  try {
    if (event.submitter?.value === 'register') {
      await post('register', { email, password })
      $('code').hidden = false
      $('code').querySelector('input').focus()
      return say('Look for the letter with the code, then log in with it. Without a mail server it is in the log of auth.')
    }
    keep(await (code ? post('verify-email', { token: code.trim(), password }) : post('login', { email, password })))
    $('enter').reset()
    $('code').hidden = true
    await show()
  } catch (error) {
    say(error.message, true)
  }
})

$('leave').addEventListener('click', async () => {
  const { refresh_token } = session
  keep(null)
  $('photos').replaceChildren()
  for (const url of thumbnails.values()) URL.revokeObjectURL(url)
  thumbnails.clear()
  say('')
  await post('logout', { refresh_token }).catch(() => undefined)
})

$('files').addEventListener('change', async () => {
  const chosen = [...$('files').files]
  try {
    for (const [i, file] of chosen.entries()) {
      say('Uploading ' + file.name + ' (' + (i + 1) + ' of ' + chosen.length + ')')
      await call(album + '/' + encodeURIComponent(file.name), { method: 'PUT', headers: { 'content-type': file.type }, body: file })
    }
    $('files').value = ''
    await show()
  } catch (error) {
    say(error.message, true)
  }
})

async function blobUrl(path) {
  return URL.createObjectURL(await (await call(files + path)).blob())
}

let shown = 0
/** The list, again while thumbnails are missing. */
async function show() {
  const mine = ++shown
  for (let look = 0; look < LOOKS && mine === shown && session; look++) {
    const { items } = await (await call(album)).json()
    if (mine !== shown || !session) return
    say(items.length === 0 ? 'No photos yet.' : items.length === 1 ? 'One photo.' : items.length + ' photos.')
    $('photos').replaceChildren(...items.map(tile))
    if (items.every((photo) => photo.thumbnail)) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

function tile(photo) {
  const item = document.createElement('li'), button = document.createElement('button'), frame = document.createElement('span'), name = document.createElement('span')
  frame.className = 'frame'
  name.className = 'name'
  name.textContent = photo.name
  button.append(frame, name)
  button.addEventListener('click', () => open(photo).catch((error) => say(error.message, true)))
  item.append(button)
  if (photo.thumbnail) thumbnail(photo).then((src) => {
    const image = document.createElement('img')
    image.src = src
    image.alt = ''
    frame.replaceChildren(image)
  }, () => undefined)
  else frame.textContent = '…'
  return item
}

/** A photo that is replaced keeps its name and when it was made; one that is deleted and made again begins with the same version. */
async function thumbnail({ name, created_at, version }) {
  const key = [name, created_at, version].join(' ')
  if (!thumbnails.has(key)) thumbnails.set(key, await blobUrl(encodeURIComponent(name) + '?thumbnail=true'))
  return thumbnails.get(key)
}

async function open({ name }) {
  $('photo').src = await blobUrl(encodeURIComponent(name))
  $('photo').alt = $('title').textContent = name
  $('large').showModal()
}
$('large').addEventListener('close', () => URL.revokeObjectURL($('photo').src))
$('close').addEventListener('click', () => $('large').close())
$('delete').addEventListener('click', async () => {
  $('large').close()
  try {
    await call(album + '/' + encodeURIComponent($('title').textContent), { method: 'DELETE' })
    await show()
  } catch (error) {
    say(error.message, true)
  }
})

keep(session)
if (session) show().catch((error) => say(error.message, true))
`
