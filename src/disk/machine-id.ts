/** The identity of this machine, for names that others must not be able to guess. */
import { createHash } from 'node:crypto'
import { disk } from './disk.js'

let known: Promise<string> | undefined

/**
 * 32 hexadecimal digits that stay the same across boots, or an empty string if the machine has no identity. The id itself
 * is confidential, so only a digest of it is used (machine-id(5)).
 */
export function machineId(): Promise<string> {
  known ??= disk.readFile('/etc/machine-id', 'utf8').then(
    (id) => (id.trim() === '' ? '' : digest('tcp-transfer', id.trim())),
    () => '',
  )
  return known
}

/** 32 hexadecimal digits for these words. */
export function digest(...words: (string | number)[]): string {
  return createHash('sha256').update(words.join('\0')).digest('hex').slice(0, 32)
}
