/** Checks the command of `--exec` at the start, before the first file arrives. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { printable, shellWord } from '../text.js'
import { usage } from './values.js'

/** The search path of execvp(3) if PATH is not set. */
const DEFAULT_PATH = '/bin:/usr/bin'

/** Throws a usage error unless `program`, a path or a name on the PATH, can be run. */
export function checkProgram(program: string): void {
  const { PATH = DEFAULT_PATH } = process.env
  const candidates = program.includes('/')
    ? [program]
    : PATH.split(delimiter).map((folder) => join(folder || '.', program))
  if (candidates.some((path) => problem(path) === null)) return
  const found = candidates.find((path) => existsSync(path)) ?? candidates.find(() => program.includes('/'))
  if (found !== undefined) throw usage(`--exec: ${printable(found)} ${problem(found)}`)
  const hint = problem(`./${program}`) === null ? `; the one in this folder is ./${program}` : ''
  throw usage(`--exec: there is no ${printable(program)} on the PATH${printable(hint)}`)
}

/** Why the file at `path` cannot be run; null if it can. */
function problem(path: string): string | null {
  try {
    if (statSync(path).isDirectory()) return 'is a directory, not a program'
  } catch {
    return 'does not exist'
  }
  try {
    accessSync(path, constants.X_OK)
    return null
  } catch {
    return `is not executable; run chmod +x ${shellWord(path)}`
  }
}

/** Shell syntax outside quotes. */
const shellSyntax = /&&|[|;<>`*]|\$[\w({]+/

/** A warning if `command` contains shell syntax, which has no effect; null otherwise. */
export function shellWarning(command: string): string | null {
  const [found] = shellSyntax.exec(command.replace(/'[^']*'|"[^"]*"/g, '')) ?? []
  if (found === undefined) return null
  return `--exec uses no shell, so ${found} is passed to the program unchanged; for a shell: --exec "sh -c '…'"`
}
