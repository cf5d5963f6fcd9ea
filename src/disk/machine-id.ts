/** The identity of this machine, for names that others must not be able to guess. */
import { createHash } from 'node:crypto'
import { disk } from './disk.js'

/**
 * 32 hexadecimal digits that stay the same across boots, or an empty string if the machine has no identity. The id itself
 * is confidential, so only a digest of it is used (machine-id(5)).
 */
export async function machineId(): Promise<string> {
  const id = (await disk.readFile('/etc/machine-id', 'utf8').catch(() => '')).trim()
  // An image of a system may have an empty one, or the word "uninitialized".
  return /^[0-9a-f]{32}$/.test(id) ? digest('tcp-transfer', id) : ''
}

/** 32 hexadecimal digits for these words. */
export function digest(...words: (string | number)[]): string {
  return createHash('sha256').update(words.join('\0')).digest('hex').slice(0, 32)
}
