/** Two lines over the same seconds, as an SVG that needs nothing else. */
export type Line = { readonly name: string; readonly unit: string; readonly points: readonly (readonly [second: number, value: number])[]; readonly isStep?: boolean }

const WIDTH = 760
const HEIGHT = 150
const LEFT = 60
const TOP = 30
const GAP = 50
const TICKS = 4

/** Each line has a panel of its own, one above the other. */
export function plot(title: string, seconds: number, lines: readonly Line[]): string {
  const x = (second: number): number => LEFT + second / seconds * (WIDTH - LEFT - 20)
  const panels = lines.map((line, index) => panel(line, TOP + index * (HEIGHT + GAP), seconds, x))
  const height = TOP + lines.length * (HEIGHT + GAP) + 10
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
<text x="${LEFT}" y="18" font-size="14">${title}</text>
${panels.join('\n')}
</svg>
`
}

function panel({ name, unit, points, isStep }: Line, top: number, seconds: number, x: (second: number) => number): string {
  const highest = niceAbove(Math.max(1, ...points.map(([, value]) => value)))
  const y = (value: number): number => top + 15 + (1 - value / highest) * (HEIGHT - 15)
  const path = points.map(([second, value], index) => {
    const to = `${x(second).toFixed(1)},${y(value).toFixed(1)}`
    return index === 0 ? `M${to}` : isStep ? `H${x(second).toFixed(1)}V${y(value).toFixed(1)}` : `L${to}`
  }).join('')
  const marks = Array.from({ length: TICKS + 1 }, (_, tick) => {
    const value = highest * tick / TICKS
    return `<path d="M${LEFT},${y(value).toFixed(1)}H${WIDTH - 20}" stroke="#ddd"/><text x="${LEFT - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${Number(value.toFixed(1))}</text>`
  })
  const times = Array.from({ length: Math.floor(seconds / 10) + 1 }, (_, tick) =>
    `<text x="${x(tick * 10).toFixed(1)}" y="${top + HEIGHT + 16}" text-anchor="middle">${tick * 10} s</text>`)
  return `<text x="${LEFT}" y="${top + 6}" fill="#555">${name}, ${unit}</text>
${marks.join('\n')}
${times.join('\n')}
<path d="${path}" fill="none" stroke="#b5132b" stroke-width="2"/>`
}

/** 1, 2 or 5 times a power of ten, times four ticks that read well. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 8, 10].find((factor) => factor * power >= value) ?? 10) * power
}
