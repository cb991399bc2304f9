/** The page: one file, nothing from elsewhere. It talks to the services behind the same gateway, as the person who is logged in. */
import { createHash } from 'node:crypto'
import { script } from './page-script.ts'

const style = `
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif;accent-color:#8f2450}
body{margin:0;background:Canvas;color:CanvasText}
header{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;padding:.75rem 1rem;border-bottom:1px solid color-mix(in srgb,CanvasText 15%,Canvas)}
h1{font-size:1.25rem;margin:0;flex:1}
main{max-width:70rem;margin:0 auto;padding:1rem}
form{display:grid;gap:1rem;width:min(22rem,100%);margin:10vh auto}
#mine{display:flex;gap:.5rem}
form label{display:block}
input{box-sizing:border-box;width:100%;font:inherit;padding:.5rem .6rem;border:1px solid GrayText;border-radius:.4rem;background:Field;color:FieldText}
button,.button{font:inherit;line-height:1.5;padding:.45rem .9rem;border:1px solid GrayText;border-radius:.4rem;background:ButtonFace;color:ButtonText;cursor:pointer}
.main{background:#8f2450;border-color:#8f2450;color:#fff;font-weight:600}
.button input{position:absolute;width:1px;height:1px;opacity:0}
:focus-visible,.button:focus-within{outline:3px solid #c2588a;outline-offset:2px}
.row{display:flex;gap:.5rem}.row>*{flex:1}
ul{list-style:none;margin:0;padding:0;display:grid;gap:.75rem;grid-template-columns:repeat(auto-fill,minmax(min(9rem,45%),1fr))}
li button{display:block;width:100%;padding:0;border:0;background:none;text-align:left}
li .frame{display:grid;place-items:center;aspect-ratio:1;overflow:hidden;border-radius:.5rem;background:color-mix(in srgb,CanvasText 8%,Canvas)}
li img{width:100%;height:100%;object-fit:cover}
li .name{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-size:.875rem}
dialog{max-width:95vw;border:0;border-radius:.5rem;padding:.75rem}
dialog h2{font-size:1.1rem;margin:0 0 .75rem;overflow-wrap:anywhere}
dialog img{display:block;max-width:100%;max-height:75vh;margin-bottom:.75rem}
[role=status]{min-height:1.5rem;margin:0 0 1rem}
.error{padding:.25rem .75rem;border-left:4px solid #c0262d}
[hidden]{display:none!important}`

const body = `
<header><h1>Album</h1>
<span id="mine" hidden><label class="button main">Add photos<input id="files" type="file" accept="image/jpeg,image/png" multiple></label>
<button id="leave">Log out</button></span></header>
<main>
<p id="status" role="status"></p>
<form id="enter">
<label>E-mail address<input name="email" type="email" autocomplete="username" required maxlength="254"></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required minlength="12" maxlength="256"></label>
<label id="code" hidden>Code of the letter<input name="code" autocomplete="one-time-code" maxlength="200"></label>
<div class="row"><button class="main" value="login">Log in</button><button value="register">Sign up</button></div>
</form>
<ul id="photos" hidden></ul>
</main>
<dialog id="large" aria-labelledby="title"><h2 id="title"></h2><img id="photo" alt=""><div class="row"><button id="close" class="main">Close</button><button id="delete">Delete</button></div></dialog>`

const sourceOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
const html = `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">`
  + `<title>Album</title><style>${style}</style></head><body>${body}<script type="module">${script}</script></body></html>\n`
const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src ${sourceOf(style)}; script-src ${sourceOf(script)}; connect-src 'self'; img-src blob:; `
    + `form-action 'none'; base-uri 'none'; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

export function page(): Response {
  return new Response(html, { headers })
}
