/** What a receiver knows a file by when its sender comes back. */
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { resolve } from 'node:path'
import { disk } from '../disk/disk.js'
import { digest, machineId } from '../disk/machine-id.js'

/** In place of the identity of a machine that has none, such as a container: then a file is known in this process. */
let unknown: string | undefined

async function secret(): Promise<string> {
  const machine = await machineId()
  if (machine !== '') return machine
  unknown ??= randomBytes(16).toString('hex')
  return unknown
}

/** The word that stands for a path on this machine. Nobody else can guess it. */
export async function sourceOf(path: string): Promise<{ source: string }> {
  const place = await disk.realpath(path).catch(() => resolve(path))
  return { source: digest(await secret(), process.geteuid?.() ?? '', place) }
}

/**
 * Two words that nobody else can guess: `source` stands for the path on this machine, `edition` for the state of the
 * file. The number of the device is no part of the state: after a reboot, the same file system may have another one.
 */
export async function identityOf(
  path: string,
  { ino, size, mtimeMs }: Stats,
): Promise<{ source: string; edition: string }> {
  const { source } = await sourceOf(path)
  return { source, edition: digest(source, ino, size, mtimeMs) }
}
