/**
 * A file in the staging folder, from its first byte until it is durable. It is written with blocking calls while they are
 * quick, and sent to the disk bit by bit while more is coming. So the disk works from the start, the sender's progress is
 * the disk's, and the last fsync, for which the sender waits, finds little to do.
 */

import type { Blocking } from '../disk/blocking.js'
import type { Directory } from '../disk/directory.js'
import { disk, ifSupported } from '../disk/disk.js'
import { keep } from '../net/memory.js'
import { createStaged } from './staging.js'

/**
 * After how many bytes what was written is sent to the disk; who is twice as far ahead waits (bench/README.md). Where
 * that takes long it is done after less: while it goes on some file systems let nobody write (btrfs, FUSE), and who
 * interrupts us waits for it.
 */
const MOST_FLUSHED = 16 * 1024 * 1024
const LEAST_FLUSHED = 1024 * 1024

/** How long is long, in milliseconds. */
const LONG = 400

export class StagedFile {
  readonly fd: number
  readonly #path: string
  readonly #blocking: Blocking
  #position = 0
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

  /** Takes the next bytes, at once or behind a promise. */
  write(bytes: Buffer): void | Promise<void> {
    if (this.#failure) throw this.#failure.error
    const unflushed = this.#position - this.#flushed
    if (unflushed >= this.#flushSize && !this.#flushing) this.#flush()
    else if (unflushed >= 2 * this.#flushSize) return this.#writeLater(keep(bytes))
    return this.#blocking.isQuick ? this.#writeNow(bytes) : this.#writeBehind(keep(bytes))
  }

  #writeNow(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const [from, left] = [done, bytes.length - done]
      const count = this.#blocking.call(() => disk.writeSync(this.fd, bytes, from, left, this.#position))
      done += count
      this.#position += count
    }
  }

  async #writeLater(bytes: Buffer): Promise<void> {
    await this.#flushing
    await this.write(bytes)
  }

  async #writeBehind(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const count = await disk.write(this.fd, bytes, done, bytes.length - done, this.#position)
      done += count
      this.#position += count
    }
  }

  /** Sends what was written so far to the disk. */
  #flush(): void {
    this.#flushed = this.#position
    const onDone = () => {
      this.#flushing = null
    }
    // The system tells of bytes that it has lost once, to whoever asks first: the next write, or the sync, passes it on.
    const onError = (error: unknown) => {
      this.#failure = { error }
      onDone()
    }
    // Others may be first, and what was given up meanwhile needs no flush.
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

  /** Once: by a second time the number could be another file's. After the fsync an error tells nothing new. */
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
