/**
 * `--key-file`, `TCP_TRANSFER_KEY`, `--fingerprint` and `--generate-key`. A key is never an argument, because every user
 * of a machine can see those, and no message repeats one.
 */
import { closeSync, fstatSync, openSync, readSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { localError } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { generateKey, isKey, type KeyOption, keysOf, parseKey, parseKeyFile } from '../keys.js'
import { printable, shellWord } from '../text.js'
import type { Arguments } from './arguments.js'
import { usage } from './values.js'

/** The environment variable that holds a key. */
const VARIABLE = 'TCP_TRANSFER_KEY'

/** A larger file is no key file. */
const MAX_FILE = 64 * 1024

/** Reads the key that the options or `variable` give. Throws a usage or local-file error. */
export function readKey(args: Arguments, variable: string | undefined): (() => KeyOption) | undefined {
  const path = args.text('key-file')
  if (args.flag('plain') && path !== undefined)
    throw usage('--plain encrypts nothing, so --key-file does not go with it')
  if (args.flag('plain') && variable !== undefined)
    throw usage(`--plain encrypts nothing, and ${VARIABLE} holds a key; unset it: env -u ${VARIABLE} COMMAND`)
  if (path === undefined && variable === undefined) return undefined
  if (path !== undefined) return keyFile(path)
  const key = parseKey(VARIABLE, String(variable))
  return () => key
}

/** The text of `--fingerprint`: a line for each key. Throws a usage error without a key. */
export function fingerprints(args: Arguments, variable: string | undefined): string {
  const read = readKey(args, variable)
  if (!read) throw usage(`--fingerprint needs a key: --key-file FILE or ${VARIABLE}`)
  const lines = keysOf(read()).map(({ name, fingerprint }) => `${fingerprint}${name === null ? '' : `  ${name}`}\n`)
  return lines.join('')
}

/** The text of `--generate-key`. */
export function newKey(): string {
  return `${generateKey()}\n`
}

/**
 * Reads a key file. The result reads a regular file again when it has changed, so that keys can be added and removed
 * while a receiver runs. It throws once for each change that cannot be used; otherwise that changes nothing.
 */
function keyFile(path: string): () => KeyOption {
  if (path === '-') throw usage('--key-file takes a file and does not read standard input; that is /dev/stdin')
  if (path === '') throw usage('--key-file is empty')
  if (isKey(path))
    throw usage('--key-file takes the name of a file, not the key itself, which every user of this machine could see')
  let version = versionOf(path)
  let keys = readKeyFile(path)
  return () => {
    const now = versionOf(path)
    if (now === version) return keys
    version = now
    // To open a FIFO could take for ever.
    if (now === null) throw new TransferError('local-file', `${printable(path)} is no file any more`)
    keys = readKeyFile(path)
    return keys
  }
}

/** What differs after a change of the file. Null for a pipe, which can be read only once, and for no file. */
function versionOf(path: string): string | null {
  try {
    const stats = statSync(path)
    return stats.isFile() ? [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(' ') : null
  } catch {
    return null
  }
}

function readKeyFile(path: string): KeyOption {
  const where = printable(path)
  let text: string
  try {
    text = read(path)
  } catch (error) {
    throw localError('cannot read', path, error)
  }
  return parseKeyFile(where, text)
}

function read(path: string): string {
  const fd = openSync(path, 'r')
  try {
    checkPrivate(path, fstatSync(fd))
    const buffer = Buffer.alloc(MAX_FILE + 1)
    let length = 0
    for (let count = -1; count !== 0 && length < buffer.length; length += count)
      count = readSync(fd, buffer, length, buffer.length - length, null)
    if (length > MAX_FILE) throw usage(`${printable(path)} is too large for a key file`)
    return buffer.toString('utf8', 0, length)
  } finally {
    closeSync(fd)
  }
}

const [GROUP_AND_OTHERS, ALL_BUT_GROUP_READ] = [0o077, 0o037]

/**
 * Throws a usage error if other users can read or change the file, as ssh does. A group may read the file of another
 * owner, and a credential of systemd: its folder is closed to everybody else.
 */
function checkPrivate(path: string, stats: Stats): void {
  // What a directory is, reading it says.
  if (process.getuid === undefined || stats.isCharacterDevice() || stats.isDirectory()) return
  const isOwn = stats.uid === process.getuid()
  const open = stats.mode & (isOwn && !isCredential(path) ? GROUP_AND_OTHERS : ALL_BUT_GROUP_READ)
  if (open === 0) return
  throw usage(`${printable(path)} can be read or changed by other users; type: chmod 600 ${shellWord(path)}`)
}

function isCredential(path: string): boolean {
  const { CREDENTIALS_DIRECTORY: folder } = process.env
  try {
    return folder !== undefined && dirname(realpathSync(path)) === realpathSync(folder)
  } catch {
    return false
  }
}
