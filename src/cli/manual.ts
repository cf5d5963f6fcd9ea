/** Manual pages (man(7)), made from the option tables when the package is built. */
import type { CommandLine } from './command-line.js'

/** roff reads a backslash, a double quote and a leading dot or quote as its own; a hyphen that is typed is a minus sign. */
function roff(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/"/g, '\\(dq')
    .replace(/^([.'])/, '\\&$1')
}

/** The page of one command. */
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
    `.BR ${roff(command === 'tcp-send' ? 'tcp-recv' : 'tcp-send')} (1),`,
    '.BR nc (1),',
    '.BR b3sum (1)',
    '',
  ].join('\n')
}
