/**
 * The file system calls of this product, all of them, as promises over raw descriptors. One table, so that one place
 * decides how the disk is reached, and a test can make any single call fail. (A FileHandle of fs.promises would be
 * closed by the garbage collector when dropped; a descriptor is closed when we say so.)
 */
import fs from 'node:fs'
import { promisify } from 'node:util'

export const disk = {
  open: promisify(fs.open),
  close: promisify(fs.close),
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
  fsync: promisify(fs.fsync),
  fdatasync: promisify(fs.fdatasync),
  fstat: promisify(fs.fstat) as (fd: number) => Promise<fs.Stats>,
  fchmod: promisify(fs.fchmod),
  futimes: promisify(fs.futimes),
  statfs: promisify(fs.statfs) as (path: string) => Promise<fs.StatsFs>,
  stat: promisify(fs.stat) as (path: string) => Promise<fs.Stats>,
  lstat: promisify(fs.lstat) as (path: string) => Promise<fs.Stats>,
  access: promisify(fs.access),
  link: promisify(fs.link),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  mkdir: promisify(fs.mkdir) as (path: string, options?: fs.MakeDirectoryOptions) => Promise<unknown>,
  rmdir: promisify(fs.rmdir),
  readdir: promisify(fs.readdir) as (path: string) => Promise<string[]>,
  readlink: promisify(fs.readlink) as (path: string) => Promise<string>,
  readFile: promisify(fs.readFile) as (path: string, encoding: 'utf8') => Promise<string>,
}

/** The code of a failed call, such as `ENOENT`; or undefined for anything else thrown. */
export function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code
}
