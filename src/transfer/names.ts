/**
 * The names that a receiver accepts. Nothing here asks the disk, so every rule can be tested as a table. A name is
 * accepted as it is if it is legal, stays inside the folder and cannot deceive a person who sees it on a terminal.
 * Every other name is refused with the reason. No name is decoded, normalized or repaired.
 */
import { refusal } from '../errors.js'
import { itemProblem as generalItemProblem, nameProblem as generalProblem } from '../protocol/names.js'
import { STAGING } from '../stores/staging.js'
import { printable } from '../text.js'

/** Device names that Windows finds in every folder, with or without an extension (Naming Files, Microsoft). */
const windowsDevice = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i
const windowsForbidden = /[<>:"|?*\\/]|[. ]$/

export interface NameRules {
  /** True if names that begin with a dot are accepted, such as `.bashrc`. They can change what a program does. */
  allowHidden: boolean
  /** The platform whose rules for names apply: `process.platform`, except in tests. */
  platform: NodeJS.Platform
}

/** The reason why no file can be stored under `name`, as one phrase. Null if there is none. */
export function nameProblem(name: string, { allowHidden, platform }: NameRules): string | null {
  const problem = generalProblem(name, name) ?? windowsProblem(name, platform)
  if (problem !== null) return problem
  if (name.toLowerCase() === STAGING) return 'it is the name of the staging folder'
  if (!allowHidden && name.startsWith('.')) return 'it begins with a dot (the receiver allows that with --allow-hidden)'
  return null
}

/** The reason why a directory cannot hold an item of this name. */
export function itemProblem(name: string, { platform }: NameRules): string | null {
  return generalItemProblem(name) ?? windowsProblem(name, platform)
}

function windowsProblem(name: string, platform: NodeJS.Platform): string | null {
  if (platform !== 'win32' || !(windowsForbidden.test(name) || windowsDevice.test(name))) return null
  return 'Windows does not allow it'
}

/** Throws a refusal if no file can be stored under `name`. */
export function checkName(name: string, rules: NameRules): void {
  const problem = nameProblem(name, rules)
  if (problem !== null) throw refusal('name', `the name "${printable(name, 80)}" is refused: ${problem}`)
}

/** The same for an item in a directory. `path` is its path, from the directory on, for the message. */
export function checkItemName(name: string, path: string, rules: NameRules): void {
  const problem = itemProblem(name, rules)
  if (problem !== null) throw refusal('name', `the name "${printable(path, 160)}" is refused: ${problem}`)
}
