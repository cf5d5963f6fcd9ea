/** What a receiver knows a file by when its sender comes back. */
import type { Stats } from 'node:fs'
import { resolve } from 'node:path'
import { disk } from '../disk/disk.js'
import { digest, machineId } from '../disk/machine-id.js'

/** The word that stands for a path on this machine. */
export async function sourceOf(path: string): Promise<{ source?: string }> {
  const machine = await machineId()
  if (machine === '') return {}
  return { source: digest(machine, process.geteuid?.() ?? '', await disk.realpath(path).catch(() => resolve(path))) }
}

/**
 * Two words that nobody else can guess: `source` stands for the path on this machine, `edition` for the state of the
 * file. Empty if this machine has no identity. The number of the device is no part of the state: after a reboot, the same
 * file system may have another one.
 */
export async function identityOf(
  path: string,
  { ino, size, mtimeMs }: Stats,
): Promise<{ source?: string; edition?: string }> {
  const { source } = await sourceOf(path)
  return source === undefined ? {} : { source, edition: digest(source, ino, size, mtimeMs) }
}
