/** What can be known of the program of `--exec` before anything has come: that it is there, and that no shell reads it. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { printable, shellWord } from '../text.js'
import { usage } from './values.js'

/** Where execvp(3) looks without a PATH. */
const DEFAULT_PATH = '/bin:/usr/bin'

/** Throws unless `program` can be run: a path, or a name on the PATH. */
export function checkProgram(program: string): void {
  const { PATH = DEFAULT_PATH } = process.env
  const places = program.includes('/') ? [program] : PATH.split(delimiter).map((folder) => join(folder || '.', program))
  if (places.some((path) => fault(path) === null)) return
  const there = places.find((path) => existsSync(path)) ?? places.find(() => program.includes('/'))
  if (there !== undefined) throw usage(`--exec: ${printable(there)} ${fault(there)}`)
  const hint = fault(`./${program}`) === null ? `; the one in this folder is ./${program}` : ''
  throw usage(`--exec: there is no ${printable(program)} on the PATH${printable(hint)}`)
}

/** Why the file at `path` cannot be run, or null. */
function fault(path: string): string | null {
  try {
    if (statSync(path).isDirectory()) return 'is a directory, and no program'
  } catch {
    return 'does not exist'
  }
  try {
    accessSync(path, constants.X_OK)
    return null
  } catch {
    return `cannot be run; chmod +x ${shellWord(path)} makes it a program`
  }
}

/** What a shell would act upon, outside of quotes. */
const syntax = /&&|[|;<>`*]|\$[\w({]+/

/** What to know of a command that was written for a shell; null if it was not. */
export function shellWarning(command: string): string | null {
  const [found] = syntax.exec(command.replace(/'[^']*'|"[^"]*"/g, '')) ?? []
  if (found === undefined) return null
  return `no shell reads --exec, so ${found} is given to the program as it is; for a shell: --exec "sh -c '…'"`
}
