/**
 * A file in the staging folder, from its first byte until it is durable. It is written with blocking calls while they are
 * quick, and flushed to the disk piece by piece while more is coming. So the disk works from the start, the progress that
 * the sender sees is that of the disk, and the last fsync, for which the sender waits, finds little to do.
 */

import type { Blocking } from '../disk/blocking.js'
import type { Directory } from '../disk/directory.js'
import { disk, ifSupported } from '../disk/disk.js'
import { createStaged } from './staging.js'

/**
 * What was written is flushed after this many bytes. A writer that is twice this far ahead of the disk waits
 * (bench/README.md). If a flush takes long, the next ones come after fewer bytes: during a flush some file systems let
 * nobody write (btrfs, FUSE), and an interruption has to wait for it.
 */
const MOST_FLUSHED = 16 * 1024 * 1024
const LEAST_FLUSHED = 1024 * 1024

/** How long is long, in milliseconds. */
const LONG = 400

export class StagedFile {
  readonly fd: number
  readonly #path: string
  readonly #blocking: Blocking
  #written = 0
  #flushed = 0
  #flushSize = MOST_FLUSHED
  #flushing: Promise<void> | null = null
  #failure: { error: unknown } | null = null
  #isOpen = true

  private constructor(path: string, fd: number, blocking: Blocking) {
    this.#path = path
    this.fd = fd
    this.#blocking = blocking
  }

  /** A new one, for this user only. `blocking` is shared by all that write to the same disk. */
  static async create(staging: Directory, blocking: Blocking): Promise<StagedFile> {
    const { name, fd } = await createStaged(staging)
    return new StagedFile(staging.path(name), fd, blocking)
  }

  /** Where it is until it has its name. */
  get path(): string {
    return this.#path
  }

  /** Writes the bytes at `offset` now. Returns false, and has written nothing, if the disk is slow or too far behind. */
  write(bytes: Buffer, offset: number): boolean {
    if (this.#failure) throw this.#failure.error
    if (this.#unflushed >= this.#flushSize && !this.#flushing) this.#flush()
    if (this.#isBehind || !this.#blocking.isQuick) return false
    for (let done = 0; done < bytes.length; ) {
      const [from, left] = [done, bytes.length - done]
      const count = this.#blocking.call(() => disk.writeSync(this.fd, bytes, from, left, offset + from))
      done += count
      this.#written += count
    }
    return true
  }

  /** Writes the bytes at `offset`, after the disk has caught up. */
  async writeLater(bytes: Buffer, offset: number): Promise<void> {
    if (this.#isBehind) {
      await this.#flushing
      if (this.write(bytes, offset)) return
    }
    for (let done = 0; done < bytes.length; ) {
      const count = await disk.write(this.fd, bytes, done, bytes.length - done, offset + done)
      done += count
      this.#written += count
    }
  }

  get #unflushed(): number {
    return this.#written - this.#flushed
  }

  get #isBehind(): boolean {
    return this.#unflushed >= 2 * this.#flushSize
  }

  /** Flushes what was written so far to the disk. */
  #flush(): void {
    this.#flushed = this.#written
    const onDone = () => {
      this.#flushing = null
    }
    // The system reports lost bytes only once, to the first call that asks. The next write or the sync passes it on.
    const onError = (error: unknown) => {
      this.#failure = { error }
      onDone()
    }
    // Other flushes may come first, and a file that was given up meanwhile needs none.
    const flush = async () => {
      const start = performance.now()
      if (this.#isOpen) await disk.fdatasync(this.fd)
      const isLong = performance.now() - start > LONG
      this.#flushSize = Math.min(MOST_FLUSHED, Math.max(LEAST_FLUSHED, this.#flushSize * (isLong ? 0.5 : 2)))
    }
    this.#flushing = this.#blocking.queue(flush).then(onDone, onError)
  }

  /** Sets permission bits and modification time, as far as the file system knows such things. */
  async setAttributes(mode: number, mtime: number | null): Promise<void> {
    await ifSupported(disk.fchmod(this.fd, mode))
    if (mtime !== null) await ifSupported(disk.futimes(this.fd, new Date(), new Date(mtime)))
  }

  /** Makes it durable. Its name is not: that is the folder's. */
  async sync(): Promise<void> {
    await this.#flushing
    if (this.#failure) throw this.#failure.error
    await disk.fsync(this.fd)
  }

  /** Called once: by a second time the number could be another file's. After the fsync an error says nothing new. */
  async close(): Promise<void> {
    this.#isOpen = false
    await this.#flushing
    await disk.close(this.fd).catch(() => {})
  }

  /** Leaves no trace, unless it was closed before. Never throws. */
  async discard(): Promise<void> {
    if (!this.#isOpen) return
    await this.close()
    await disk.unlink(this.#path).catch(() => {})
  }
}
