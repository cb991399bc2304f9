/** Requests and answers, and ways to spoil them: the same seed spoils them in the same way. */

export type Random = {
  /** From 0 up to, not including, `end`. */
  below(end: number): number
  pick<T>(list: readonly [T, ...T[]]): T
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number): number => Math.floor(next() * end)
  return { below, pick: (list) => list[below(list.length)] ?? list[0] }
}

/** What tends to confuse a reader of HTTP. */
const words: readonly [string, ...string[]] = [
  '\r\n', '\n', '\r', '\r\n\r\n', ' ', '\t', '\0', ':', ',', ';', '/', '\\', '..', '/../', '%2e%2e', '%2f', '%00', '%c0%ae', '?', '#',
  'GET ', 'POST ', 'HEAD ', 'CONNECT ', 'OPTIONS * ', ' HTTP/1.1\r\n', ' HTTP/1.0\r\n', ' HTTP/2.0\r\n', 'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 101 Switching Protocols\r\n', 'HTTP/1.1 204 No Content\r\n\r\n', 'Host: b\r\n',
  'Content-Length: 0\r\n', 'Content-Length: 5\r\n', 'Content-Length: -1\r\n', 'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip, chunked\r\n', 'Transfer-Encoding : chunked\r\n', '0\r\n\r\n', '5\r\nhello\r\n',
  'ffffffffffffffff\r\n', '-1\r\n', '2;a=b\r\n', 'Connection: close\r\n', 'Connection: keep-alive\r\n', 'Connection: Upgrade\r\n',
  'Upgrade: websocket\r\n', 'Upgrade: h2c\r\n', 'Expect: 100-continue\r\n', 'Trailer: X\r\n', 'X: a\r\n b\r\n', '\x7f', '\xff', '\xc3\xa9',
  'http://other/', '/function/', '/system/functions', '/healthz', '/async-function/', 'Authorization: Basic x\r\n', '{', '}', '"', '[', 'null',
]

/** A few changes at random places. */
export function spoil(text: string, random: Random, others: readonly [string, ...string[]]): string {
  let spoilt = text
  for (let changes = random.below(4); changes > 0; changes--) {
    const at = random.below(spoilt.length + 1)
    const end = at + random.below(Math.min(40, spoilt.length - at + 1))
    const before = spoilt.slice(0, at)
    switch (random.below(8)) {
      case 0: spoilt = before + String.fromCharCode(random.below(256)) + spoilt.slice(at + 1); break
      case 1: spoilt = before + spoilt.slice(end); break
      case 2: spoilt = before + spoilt.slice(at, end) + spoilt.slice(at); break
      case 3: spoilt = before + random.pick(words) + spoilt.slice(at); break
      case 4: spoilt = before + random.pick(words) + spoilt.slice(end); break
      case 5: spoilt = before + random.pick(words).repeat(1 + random.below(200)) + spoilt.slice(at); break
      case 6: spoilt = before + random.pick(others).slice(random.below(60)); break
      default: spoilt = before
    }
  }
  return spoilt
}

/** Requests that nothing is wrong with; `token` tells whose they are. */
export function goodRequests(token: string, authorization: string): readonly [string, ...string[]] {
  const json = `{"service":"made","image":"test/echo","labels":{"a":"b"}}`
  return [
    `GET /function/echo/${token} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `GET /function/raw/${token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    `POST /function/echo/${token}?a=b HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello`,
    `POST /function/raw/${token} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\n\r\n`,
    `POST /function/echo/${token} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n`,
    `POST /function/echo.openfaas-fn/${token} HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n${'a'.repeat(20_000)}`,
    `HEAD /function/echo/${token} HTTP/1.1\r\nHost: a\r\n\r\nGET /function/echo/${token} HTTP/1.1\r\nHost: a\r\n\r\n`,
    `PUT /function/raw/${token} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`,
    `GET /function/raw/${token} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\nframe`,
    `GET /function/echo/${token} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
    `GET http://other/function/echo/${token} HTTP/1.1\r\nHost: a\r\nX-Call-Id: ${token}\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n`,
    `GET /system/functions HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`,
    `GET /system/functions?namespace=openfaas-fn HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \r\n\r\n`,
    `POST /system/functions HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
    `PUT /system/functions HTTP/1.1\r\nHost: a\r\nAuthorization: Basic eDp5\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
    `GET /system/logs?name=echo&follow=false&since=2025-01-02T03:04:05Z HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`,
    `GET /system/namespace/openfaas-fn HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`,
    `GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n`,
    `CONNECT other:80 HTTP/1.1\r\nHost: a\r\n\r\n`,
    `OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n`,
  ]
}

/** Answers of a function that nothing is wrong with. */
export function goodAnswers(token: string): readonly [string, ...string[]] {
  return [
    `HTTP/1.1 200 OK\r\nContent-Length: ${token.length}\r\n\r\n${token}`,
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${token.length.toString(16)}\r\n${token}\r\n0\r\n\r\n`,
    `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n${token}`,
    `HTTP/1.1 204 No Content\r\nX-Token: ${token}\r\n\r\n`,
    `HTTP/1.1 304 Not Modified\r\nETag: "${token}"\r\n\r\n`,
    `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 500 Oops\r\nContent-Length: ${token.length}\r\n\r\n${token}`,
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n${token}`,
    `HTTP/1.0 200 OK\r\n\r\n${token}`,
    `HTTP/1.1 302 Found\r\nLocation: /${token}\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n`,
  ]
}
