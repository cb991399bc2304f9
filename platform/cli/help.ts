/** The texts of `--help`. */
import type { Command, OptionSpecs } from './command.ts'
import { table } from './terminal.ts'

export function commandHelp(command: Command): string {
  return [
    `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`,
    `  bramble ${command.name} ${command.usage}`,
    ...(command.details ? [command.details] : []),
    optionTable(command.options),
  ].join('\n\n')
}

export function overview(commands: readonly { readonly name: string; readonly summary: string }[]): string {
  return [
    'Bramble, a serverless platform for a Raspberry Pi 4B and a handful of Pi Zero 2Ws, or a laptop.',
    '  bramble COMMAND [options]',
    table(commands.map(({ name, summary }) => [`  ${name}`, summary])),
    '"bramble help COMMAND" shows its options, "bramble --version" the version. The stack file is that of faas-cli.',
  ].join('\n\n')
}

function optionTable(options: OptionSpecs): string {
  const rows = Object.entries(options).map(([name, { short, value, meaning }]) =>
    [`  ${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`, meaning])
  return table([...rows, ['  -h, --help', 'this text']])
}
