/**
 * The file system calls of this product, all of them, as promises over raw descriptors. One table, so that one place
 * decides how the disk is reached, and a test can make any single call fail. (A FileHandle of fs.promises would be
 * closed by the garbage collector when dropped; a descriptor is closed when we say so.)
 */
import fs from 'node:fs'
import { promisify } from 'node:util'
import { Blocking } from './blocking.js'

/** What calls without bytes have in common: the tables of names that they read are in memory, mostly. */
const names = new Blocking()

/**
 * A call that blocks while such calls are quick: a file of a few bytes takes a dozen of them, and each would wait for a
 * thread, and then for its turn beside connections with large files.
 */
function quick<Args extends unknown[], Result>(
  call: (...args: Args) => Result,
  behind: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => (names.isQuick ? names.call(() => call(...args)) : await behind(...args))
}

type Path = [path: string]
type Descriptor = [fd: number]

export const disk = {
  open: quick<[path: string, flags: number | string, mode?: number], number>(fs.openSync, promisify(fs.open)),
  close: quick<Descriptor, void>(fs.closeSync, promisify(fs.close)),
  read: (fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): Promise<number> =>
    new Promise((resolve, reject) => {
      fs.read(fd, buffer, offset, length, position, (error, count) => (error ? reject(error) : resolve(count)))
    }),
  write: (fd: number, buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> =>
    new Promise((resolve, reject) => {
      fs.write(fd, buffer, offset, length, position, (error, count) => (error ? reject(error) : resolve(count)))
    }),
  /** The blocking kin of `read` and `write`, for when the page cache serves them: see `blocking.ts`. */
  readSync: fs.readSync as (
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ) => number,
  writeSync: fs.writeSync as (
    fd: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ) => number,
  fstat: quick<Descriptor, fs.Stats>(fs.fstatSync, promisify(fs.fstat)),
  fchmod: quick<[fd: number, mode: number], void>(fs.fchmodSync, promisify(fs.fchmod)),
  futimes: quick<[fd: number, atime: Date, mtime: Date], void>(fs.futimesSync, promisify(fs.futimes)),
  statfs: quick<Path, fs.StatsFs>(fs.statfsSync, promisify(fs.statfs)),
  stat: quick<Path, fs.Stats>(fs.statSync, promisify(fs.stat)),
  lstat: quick<Path, fs.Stats>(fs.lstatSync, promisify(fs.lstat)),
  access: quick<[path: string, mode?: number], void>(fs.accessSync, promisify(fs.access)),
  link: quick<[from: string, to: string], void>(fs.linkSync, promisify(fs.link)),
  mkdir: quick<[path: string, options?: fs.MakeDirectoryOptions], unknown>(fs.mkdirSync, promisify(fs.mkdir)),
  // What waits for the disk by its nature, frees the blocks of a large file, or is rare.
  fsync: promisify(fs.fsync),
  fdatasync: promisify(fs.fdatasync),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  rmdir: promisify(fs.rmdir),
  readdir: promisify(fs.readdir) as (path: string) => Promise<string[]>,
  readlink: promisify(fs.readlink) as (path: string) => Promise<string>,
  readFile: promisify(fs.readFile) as (path: string, encoding: 'utf8') => Promise<string>,
}

/** The code of a failed call, such as `ENOENT`; or undefined for anything else thrown. */
export function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code
}

/** Link, chmod, utimes, statfs do not exist on every file system (FAT, some of FUSE and of networks); these say so. */
const unsupported = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'])

/** Whether a call failed because the file system does not have it. */
export function isUnsupported(error: unknown): boolean {
  return unsupported.has(errno(error) ?? '')
}

/** What the call gives; undefined where the file system does not have it. */
export async function ifSupported<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (!isUnsupported(error)) throw error
    return undefined
  }
}
