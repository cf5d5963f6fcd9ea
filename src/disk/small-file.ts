/**
 * A small file, read or created as one step. Ten thousand of them are as quick as one large file only if each costs a
 * few blocking calls in a row and no promise. On a slow disk, the same calls use the thread pool (blocking.ts).
 */
import { constants, type Stats } from 'node:fs'
import { disk, ifSupported, metadata } from './disk.js'

const { O_CREAT, O_EXCL, O_WRONLY, O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants

const CREATE = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW

/** Creates a file that must not exist, with these bytes, permission bits (less the umask) and modification time. */
export function createSmallFile(
  path: string,
  bytes: Buffer,
  mode: number,
  mtime: number | null,
): undefined | Promise<void> {
  if (!metadata.isQuick) return createLater(path, bytes, mode, mtime)
  metadata.call(() => createNow(path, bytes, mode, mtime))
  return undefined
}

function createNow(path: string, bytes: Buffer, mode: number, mtime: number | null): void {
  const fd = disk.openSync(path, CREATE, mode)
  try {
    for (let done = 0; done < bytes.length; ) done += disk.writeSync(fd, bytes, done, bytes.length - done, done)
    if (mtime !== null) setTimeNow(fd, mtime)
  } finally {
    disk.closeSync(fd)
  }
}

function setTimeNow(fd: number, mtime: number): void {
  const time = new Date(mtime)
  ifSupported(() => disk.futimesSync(fd, time, time))
}

async function createLater(path: string, bytes: Buffer, mode: number, mtime: number | null): Promise<void> {
  const fd = await disk.open(path, CREATE, mode)
  try {
    for (let done = 0; done < bytes.length; ) done += await disk.write(fd, bytes, done, bytes.length - done, done)
    if (mtime !== null) await ifSupported(() => disk.futimes(fd, new Date(mtime), new Date(mtime)))
  } finally {
    await disk.close(fd)
  }
}

/** What `readSmallFile` has found. */
export interface SmallFile {
  /** The attributes before the first byte was read. */
  stats: Stats
  /** The attributes after the last byte. */
  after: Stats
  /** The number of bytes read. More than the size if the file has grown. */
  length: number
  /** The descriptor of a file that is not small. It is still open, and nothing was read. */
  fd: number | null
}

/**
 * Reads a file that is smaller than `buffer`. A symlink fails with ELOOP, unless `follow` is true. A file that is no
 * regular file, or too large for the buffer, is left open for the caller.
 */
export function readSmallFile(path: string, buffer: Buffer, follow: boolean): SmallFile | Promise<SmallFile> {
  const flags = O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW)
  return metadata.isQuick ? metadata.call(() => readNow(path, buffer, flags)) : readLater(path, buffer, flags)
}

function isSmall(stats: Stats, buffer: Buffer): boolean {
  return stats.isFile() && stats.size < buffer.length
}

function readNow(path: string, buffer: Buffer, flags: number): SmallFile {
  const fd = disk.openSync(path, flags)
  let isLeftOpen = false
  try {
    const stats = disk.fstatSync(fd)
    isLeftOpen = !isSmall(stats, buffer)
    if (isLeftOpen) return { stats, after: stats, length: 0, fd }
    let length = 0
    // One byte more than the size is asked for. It shows that the file has grown, or else that there is no more.
    let count: number
    do {
      count = disk.readSync(fd, buffer, length, stats.size + 1 - length, length)
      length += count
    } while (count > 0 && length < stats.size)
    return { stats, after: disk.fstatSync(fd), length, fd: null }
  } finally {
    if (!isLeftOpen) disk.closeSync(fd)
  }
}

async function readLater(path: string, buffer: Buffer, flags: number): Promise<SmallFile> {
  const fd = await disk.open(path, flags)
  let isLeftOpen = false
  try {
    const stats = await disk.fstat(fd)
    isLeftOpen = !isSmall(stats, buffer)
    if (isLeftOpen) return { stats, after: stats, length: 0, fd }
    let length = 0
    let count: number
    do {
      count = await disk.read(fd, buffer, length, stats.size + 1 - length, length)
      length += count
    } while (count > 0 && length < stats.size)
    return { stats, after: await disk.fstat(fd), length, fd: null }
  } finally {
    if (!isLeftOpen) await disk.close(fd)
  }
}
