/**
 * A folder pinned by its descriptor. Every path below it goes through the descriptor, so swapping a parent for a
 * symlink between two calls has no effect: on Linux, `/proc/self/fd/N/name` means what `openat(N, "name")` means in C.
 * If `/proc` is missing, the plain path is used without this protection.
 */
import { constants, existsSync, type Stats } from 'node:fs'
import { closeQuietly, disk, errno, ifSupported, isUnsupported } from './disk.js'

const { O_RDONLY, O_DIRECTORY = 0, O_NOFOLLOW = 0 } = constants

/** The permission bits that let users other than the owner write. */
export const OTHERS_WRITE = 0o022

export class Directory {
  readonly #fd: number
  readonly #anchor: string

  private constructor(fd: number, path: string) {
    this.#fd = fd
    const anchor = `/proc/self/fd/${fd}`
    this.#anchor = existsSync(anchor) ? anchor : path
  }

  /** Opens the folder that the user named. Symlinks in its path are followed. */
  static async open(path: string): Promise<Directory> {
    return new Directory(await disk.open(path, O_RDONLY | O_DIRECTORY), path)
  }

  /** Opens the folder `name` directly below this one. A symlink of that name is an error (ENOTDIR or ELOOP). */
  async openDirectory(name: string): Promise<Directory> {
    const path = this.path(name)
    return new Directory(await disk.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path)
  }

  /** Creates the folder `name` directly below this one, for this user alone, and opens it. Or else leaves nothing. */
  async makeDirectory(name: string): Promise<Directory> {
    await disk.mkdir(this.path(name), { mode: 0o700 })
    try {
      return await this.openDirectory(name)
    } catch (error) {
      await disk.rmdir(this.path(name)).catch(() => {})
      throw error
    }
  }

  /** The path of `name` directly below this folder, or of the folder itself, for the calls of `disk`. */
  path(name = ''): string {
    return name === '' ? this.#anchor : `${this.#anchor}/${name}`
  }

  /** The path of the folder for another process of this user. */
  realPath(): string {
    return this.#anchor.replace('/proc/self/', `/proc/${process.pid}/`)
  }

  /**
   * Where the folder is now: `path`, unless it was moved since it was opened. Then its absolute path, as far as the
   * system can tell. Never throws.
   */
  async whereabouts(path: string): Promise<string> {
    try {
      const there = await disk.stat(path).catch(() => null)
      const { ino, dev } = await this.stat()
      return there?.ino === ino && there.dev === dev ? path : await disk.readlink(this.#anchor)
    } catch {
      return path
    }
  }

  /** Makes the names in this folder durable, unless its file system cannot fsync a folder (SMB, some FUSE). */
  async sync(): Promise<void> {
    await disk.fsync(this.#fd).catch((error) => {
      if (errno(error) !== 'EINVAL' && !isUnsupported(error)) throw error
    })
  }

  /** Sets the permission bits and the modification time, if the file system supports them. */
  async setAttributes(mode: number, mtime: number | null): Promise<void> {
    await ifSupported(() => disk.fchmod(this.#fd, mode))
    if (mtime !== null) await ifSupported(() => disk.futimes(this.#fd, new Date(), new Date(mtime)))
  }

  async stat(): Promise<Stats> {
    return await disk.fstat(this.#fd)
  }

  /** True if this user owns the folder and no other user may write to it. */
  async isPrivate(): Promise<boolean> {
    const { uid, mode } = await this.stat()
    return process.geteuid === undefined || (uid === process.geteuid() && (mode & OTHERS_WRITE) === 0)
  }

  /** True if the permissions of the folder give any access to other users. */
  async isOpenToOthers(): Promise<boolean> {
    return process.geteuid !== undefined && ((await this.stat()).mode & 0o077) !== 0
  }

  async close(): Promise<void> {
    // Nothing was written through this descriptor, so a failed close loses nothing.
    await closeQuietly(this.#fd)
  }
}
