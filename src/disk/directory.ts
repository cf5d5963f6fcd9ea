/**
 * A folder that was opened once and stays the same one. Every path below it is reached through its descriptor, so that
 * a parent that is swapped for a symlink between two calls leads nowhere: on Linux `/proc/self/fd/N/name` means what
 * `openat(N, "name")` means in C. Where that does not exist the plain path is used, and that protection is missing.
 */
import { constants, existsSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { disk, errno, isUnsupported } from './disk.js'

const { O_RDONLY, O_DIRECTORY = 0, O_NOFOLLOW = 0 } = constants

/** The permission bits by which somebody else than the owner can write. */
export const OTHERS_WRITE = 0o022

export class Directory {
  readonly #fd: number
  readonly #anchor: string

  private constructor(fd: number, path: string) {
    this.#fd = fd
    const anchor = `/proc/self/fd/${fd}`
    this.#anchor = existsSync(anchor) ? anchor : path
  }

  /** Opens the folder that the user named; the user's own symlinks are followed. */
  static async open(path: string): Promise<Directory> {
    return new Directory(await disk.open(path, O_RDONLY | O_DIRECTORY), path)
  }

  /** Opens the folder `name` directly below; a symlink of that name is an error (ENOTDIR or ELOOP). */
  async openDirectory(name: string): Promise<Directory> {
    const path = this.path(name)
    return new Directory(await disk.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path)
  }

  /** A path to `name` directly below, for the calls of `disk`; without a name, to the folder itself. */
  path(name = ''): string {
    return join(this.#anchor, name)
  }

  /** Makes the names in this folder durable. Some file systems (SMB, FUSE) have no such thing for a folder. */
  async sync(): Promise<void> {
    await disk.fsync(this.#fd).catch((error) => {
      if (errno(error) !== 'EINVAL' && !isUnsupported(error)) throw error
    })
  }

  async stat(): Promise<Stats> {
    return await disk.fstat(this.#fd)
  }

  /** True if the folder is this user's and nobody else may write to it. */
  async isPrivate(): Promise<boolean> {
    const { uid, mode } = await this.stat()
    return process.geteuid === undefined || (uid === process.geteuid() && (mode & OTHERS_WRITE) === 0)
  }

  /** True if the permissions of the folder let anybody else in. */
  async isOpenToOthers(): Promise<boolean> {
    return process.geteuid !== undefined && ((await this.stat()).mode & 0o077) !== 0
  }

  async close(): Promise<void> {
    // Nothing was written through it, so there is nothing that could be lost.
    await disk.close(this.#fd).catch(() => {})
  }
}
