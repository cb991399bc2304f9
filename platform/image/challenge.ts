/** The `WWW-Authenticate` header of RFC 9110, section 11.6.1: which ways of logging in a server offers. */

export type Challenge = {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
const blank = /[\s,]*/y
const space = /[ \t]*/y
const quoted = /"((?:[^"\\]|\\.)*)"/y
/** A scheme's own text instead of parameters, as Negotiate has it. */
const token68 = /[-._~+/0-9A-Za-z]+=*(?=\s*(?:,|$))/y

/** What is malformed ends the reading; what came before it counts. */
export function parseChallenges(header: string): readonly Challenge[] {
  let position = 0
  const take = (form: RegExp): RegExpExecArray | null => {
    form.lastIndex = position
    const match = form.exec(header)
    if (match) position = form.lastIndex
    return match
  }
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  for (;;) {
    take(blank)
    const name = take(token)?.[0].toLowerCase()
    if (name === undefined) return challenges
    take(space)
    if (header[position] !== '=') {
      challenges.push({ scheme: name, parameters: new Map() })
      take(token68)
      continue
    }
    position++
    take(space)
    const value = take(quoted)?.[1]?.replace(/\\(.)/g, '$1') ?? take(token)?.[0]
    const challenge = challenges.at(-1)
    if (value === undefined || challenge === undefined) return challenges
    challenge.parameters.set(name, value)
  }
}
