/**
 * All file system calls of the transfer engine, as promises over raw descriptors. This table alone decides how the disk
 * is reached, and a test can make any single call fail. (The garbage collector closes a dropped FileHandle of
 * fs.promises. A raw descriptor stays open until it is closed explicitly.)
 */
import fs from 'node:fs'
import { promisify } from 'node:util'
import { Blocking } from './blocking.js'

/** Shared by all calls that move no file content: the directories and inodes that they read are mostly in memory. */
const metadata = new Blocking()

/**
 * Returns a call that blocks while such calls are quick. A file of a few bytes takes a dozen of them. On the thread
 * pool, each of them would wait for a thread, and then for its turn beside connections with large files.
 */
function quick<Args extends unknown[], Result>(
  callSync: (...args: Args) => Result,
  callAsync: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => (metadata.isQuick ? metadata.call(() => callSync(...args)) : await callAsync(...args))
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
  /** The blocking variants of `read` and `write`, for use while they are quick (blocking.ts). */
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
  // These calls wait for the disk by nature, free the blocks of a large file, or are rare.
  fsync: promisify(fs.fsync),
  fdatasync: promisify(fs.fdatasync),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  rmdir: promisify(fs.rmdir),
  readdir: promisify(fs.readdir) as (path: string) => Promise<string[]>,
  readlink: promisify(fs.readlink) as (path: string) => Promise<string>,
  readFile: promisify(fs.readFile) as (path: string, encoding: 'utf8') => Promise<string>,
}

/** The code of a failed system call, such as `ENOENT`. Undefined for any other error. */
export function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code
}

/** The errors of a file system that lacks `link`, `chmod`, `utimes` or `statfs`: FAT, some FUSE and network ones. */
const unsupported = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'])

/** True if a call failed because the file system does not support it. */
export function isUnsupported(error: unknown): boolean {
  return unsupported.has(errno(error) ?? '')
}

/** The result of the call, or undefined if the file system does not support it. */
export async function ifSupported<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (!isUnsupported(error)) throw error
    return undefined
  }
}
