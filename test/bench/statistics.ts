/** Medians of repetitions with their spread, and how they are written. */
export type Spread = { readonly median: number; readonly min: number; readonly max: number }

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = sorted.length % 2 === 1
    ? sorted[Math.floor(middle)] ?? NaN
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN }
}

/** `29.1 (28.4-30.2)`. */
export function showSpread({ median, min, max }: Spread, digits: number): string {
  return min === max || Number.isNaN(median) ? show(median, digits) : `${show(median, digits)} (${show(min, digits)}-${show(max, digits)})`
}

export function show(value: number, digits = 0): string {
  return Number.isNaN(value) ? '-' : value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

/** A plain-text table: the first column to the left, the others to the right. */
export function showTable(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)))
  const line = (cells: readonly string[]): string => cells
    .map((cell, index) => index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0))
    .join('  ').trimEnd()
  return ['', title, line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ''].join('\n')
}
