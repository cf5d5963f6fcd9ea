/**
 * All file system calls of the transfer engine, as promises over raw descriptors. This table alone decides how the disk
 * is reached, and a test can make any single call fail. (The garbage collector closes a dropped FileHandle of
 * fs.promises. A raw descriptor stays open until it is closed explicitly.)
 */
import fs from 'node:fs'
import { promisify } from 'node:util'
import { type AtHand, orElse } from '../at-hand.js'
import { Blocking } from './blocking.js'

/** Shared by all calls that move no file content: the directories and inodes that they read are mostly in memory. */
export const metadata = new Blocking()

/**
 * Returns a call that blocks while such calls are quick. A file of a few bytes takes a dozen of them. On the thread
 * pool, each of them would wait for a thread, and then for its turn beside connections with large files.
 */
function quick<Args extends unknown[], Result>(
  callSync: (...args: Args) => Result,
  callAsync: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  const call = atHand(callSync, callAsync)
  return async (...args) => await call(...args)
}

/** How long the files of this process have been flushed. */
export const flushing = { milliseconds: 0 }

function timed<Args extends unknown[], Result>(
  call: (...args: Args) => Promise<Result>,
): (...args: Args) => Promise<Result> {
  return async (...args) => {
    const start = performance.now()
    try {
      return await call(...args)
    } finally {
      flushing.milliseconds += performance.now() - start
    }
  }
}

/** The same, without a promise if the call has blocked. */
function atHand<Args extends unknown[], Result>(
  callSync: (...args: Args) => Result,
  callAsync: (...args: Args) => Promise<Result>,
): (...args: Args) => AtHand<Result> {
  return (...args) => (metadata.isQuick ? metadata.call(() => callSync(...args)) : callAsync(...args))
}

type Path = [path: string]
type Descriptor = [fd: number]

export const disk = {
  open: atHand<[path: string, flags: number | string, mode?: number], number>(fs.openSync, promisify(fs.open)),
  close: atHand<Descriptor, void>(fs.closeSync, promisify(fs.close)),
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
  /** The blocking variants for a whole small file (small-file.ts). */
  openSync: fs.openSync as (path: string, flags: number, mode?: number) => number,
  closeSync: fs.closeSync as (fd: number) => void,
  fstatSync: fs.fstatSync as (fd: number) => fs.Stats,
  futimesSync: fs.futimesSync as (fd: number, atime: Date, mtime: Date) => void,
  unlinkSync: fs.unlinkSync as (path: string) => void,
  fstat: atHand<Descriptor, fs.Stats>(fs.fstatSync, promisify(fs.fstat)),
  chmod: quick<[path: string, mode: number], void>(fs.chmodSync, promisify(fs.chmod)),
  fchmod: quick<[fd: number, mode: number], void>(fs.fchmodSync, promisify(fs.fchmod)),
  futimes: atHand<[fd: number, atime: Date, mtime: Date], void>(fs.futimesSync, promisify(fs.futimes)),
  statfs: quick<Path, fs.StatsFs>(fs.statfsSync, promisify(fs.statfs)),
  stat: quick<Path, fs.Stats>(fs.statSync, promisify(fs.stat)),
  lstat: quick<Path, fs.Stats>(fs.lstatSync, promisify(fs.lstat)),
  access: quick<[path: string, mode?: number], void>(fs.accessSync, promisify(fs.access)),
  symlink: quick<[target: string, path: string], void>(fs.symlinkSync, promisify(fs.symlink)),
  lutimes: quick<[path: string, atime: Date, mtime: Date], void>(fs.lutimesSync, promisify(fs.lutimes)),
  link: quick<[from: string, to: string], void>(fs.linkSync, promisify(fs.link)),
  mkdir: quick<[path: string, options?: fs.MakeDirectoryOptions], unknown>(fs.mkdirSync, promisify(fs.mkdir)),
  // These calls wait for the disk by nature, free the blocks of a large file, or are rare.
  fsync: timed(promisify(fs.fsync)),
  fdatasync: timed(promisify(fs.fdatasync)),
  /**
   * Flushes the file system that `path` is on: syncfs(2), which reports lost writes since Linux 5.8. Returns false if
   * that was not possible or has failed. Other systems have no such call, and their `sync` need not wait for the disk.
   */
  syncFileSystem: timed(async (path: string): Promise<boolean> => {
    if (process.platform !== 'linux') return false
    const { spawn } = await import('node:child_process')
    return await new Promise((resolve) => {
      try {
        const child = spawn('sync', ['-f', path], { stdio: 'ignore' })
        child.once('error', () => resolve(false))
        child.once('exit', (code) => resolve(code === 0))
      } catch {
        resolve(false)
      }
    })
  }),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  rmdir: promisify(fs.rmdir),
  readdir: promisify(fs.readdir) as (path: string) => Promise<string[]>,
  /** The names in a directory with their kinds. */
  list: quick<Path, fs.Dirent[]>(
    (path) => fs.readdirSync(path, { withFileTypes: true }),
    (path) => promisify(fs.readdir)(path, { withFileTypes: true }),
  ),
  readlink: quick<Path, string>(
    (path) => fs.readlinkSync(path),
    (path) => promisify(fs.readlink)(path),
  ),
  /** The same as bytes, which need not be UTF-8. */
  readlinkBytes: quick<Path, Buffer>(
    (path) => fs.readlinkSync(path, 'buffer'),
    (path) => promisify(fs.readlink)(path, 'buffer'),
  ),
  realpath: promisify(fs.realpath) as (path: string) => Promise<string>,
  readFile: promisify(fs.readFile) as (file: string | number, encoding: 'utf8') => Promise<string>,
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

/** Closes a descriptor whose errors no longer matter. Never throws. */
export function closeQuietly(fd: number): AtHand<void> {
  return orElse(
    () => disk.close(fd),
    () => {},
  )
}

/** The result of the call, or undefined if the file system does not support it. */
export function ifSupported<T>(call: () => AtHand<T>): AtHand<T | undefined> {
  return orElse<T | undefined>(call, (error) => {
    if (!isUnsupported(error)) throw error
    return undefined
  })
}
