/** `npm run test:kill -- NAME [ROUNDS]`: a service killed again and again under load. Nothing that it has acknowledged may be lost. */
import { authKills } from './auth-kills.ts'
import { dataKills } from './data-kills.ts'

type Kill = (rounds: number) => Promise<boolean>

const ROUNDS = 10
const LONGEST_LIFE_MS = 3_000
const print = (line: string): void => { console.log(line) }

const kills: Readonly<Record<string, Kill>> = {
  async data(rounds) {
    const { kills, acknowledged, missing, half, unknown, unknownDone } = await dataKills({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })
    print(`data: ${kills} kills, ${acknowledged} writes acknowledged, ${missing} lost (goal 0), ${half} half done (goal 0); ` +
      `of ${unknown} whose answer was lost ${unknownDone} were done; integrity_check ok`)
    return missing === 0 && half === 0
  },
  async auth(rounds) {
    const { kills, accounts, refreshes, ended, lost, revived, half } = await authKills({ rounds, longestLifeMs: LONGEST_LIFE_MS, print })
    print(`auth: ${kills} kills, ${accounts} accounts, ${refreshes} refreshes, ${ended} sessions ended; ` +
      `${lost} lost (goal 0), ${revived} revived (goal 0), ${half} half done (goal 0)`)
    return lost + revived + half === 0
  },
}

const [name = '', ...rest] = process.argv.slice(2)
const kill = kills[name]
if (kill === undefined) throw new Error(`no kill test is called ${name}; there are ${Object.keys(kills).join(', ')}`)
const rounds = Number(rest[0] ?? ROUNDS)
if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`${rest[0]} is no number of rounds`)
if (!await kill(rounds)) process.exitCode = 1
