/** Generates the manual pages (man(7)) from the option tables. It runs when the package is built. */
import type { CommandLine } from './command-line.js'

/**
 * Escapes text for roff: backslashes, double quotes, and a dot or quote at the start of a line are roff syntax. Hyphens
 * become `\-`, so that a copied option has ASCII minus signs.
 */
function roff(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/"/g, '\\(dq')
    .replace(/^([.'])/, '\\&$1')
}

const commands = ['tcp-send', 'tcp-recv', 'tcp-chat']

/** The manual page of one command. */
export function manualPage(line: CommandLine, version: string): string {
  const { command, purpose, usage, options, examples, epilogue } = line
  const optionLines = Object.entries(options).flatMap(([name, { short, value, fallback, describe }]) => [
    '.TP',
    `.B ${short ? `\\-${short}, ` : ''}\\-\\-${roff(name)}${value ? ` \\fI${value}\\fR` : ''}`,
    roff(describe) + (fallback ? ` (default: ${roff(fallback)}).` : '.'),
  ])
  return [
    `.TH ${command.toUpperCase()} 1 "" "tcp-send-recv ${version}"`,
    '.SH NAME',
    `${roff(command)} \\- ${purpose}`,
    '.SH SYNOPSIS',
    ...usage.flatMap((text) => [`.B ${roff(command)}`, roff(text), '.br']),
    '.SH OPTIONS',
    ...optionLines,
    '.SH EXIT STATUS',
    roff(epilogue.replace(/^Exit status: /, '')),
    '.SH EXAMPLES',
    ...examples.flatMap(([example, meaning]) => ['.TP', `.B ${roff(example)}`, `${roff(meaning)}.`]),
    '.SH SEE ALSO',
    ...commands.filter((other) => other !== command).map((other) => `.BR ${roff(other)} (1),`),
    '.BR nc (1),',
    '.BR b3sum (1)',
    '',
  ].join('\n')
}
