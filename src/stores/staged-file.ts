/**
 * A file in the staging folder, from its first byte until it is durable. It is written with blocking calls while they
 * are quick, and flushed to the disk piece by piece while more bytes come. So the disk works from the start, the sender
 * sees the progress of the disk, and the final fsync, for which the sender waits, has little to do.
 */
import { type AtHand, andThen } from '../at-hand.js'
import type { Blocking } from '../disk/blocking.js'
import type { Directory } from '../disk/directory.js'
import { closeQuietly, disk, ifSupported } from '../disk/disk.js'
import { createNew, createStaged } from './staging.js'

/**
 * The written bytes are flushed whenever there are this many. A writer twice this far ahead of the disk waits
 * (bench/README.md). If a flush takes long, the next flushes are smaller: some file systems (btrfs, FUSE) block writes
 * during a flush, and an interruption has to wait for its end.
 */
const LARGEST_FLUSH = 16 * 1024 * 1024
const SMALLEST_FLUSH = 1024 * 1024

/** A flush that takes longer than this, in milliseconds, makes the next flushes smaller. */
const LONG_FLUSH = 400

export class StagedFile {
  readonly fd: number
  readonly #path: string
  readonly #blocking: Blocking
  #written = 0
  #flushed = 0
  #flushSize = LARGEST_FLUSH
  #flushing: Promise<void> | null = null
  #failure: { error: unknown } | null = null
  #isOpen = true

  /** @param fd is open for writing */
  constructor(path: string, fd: number, blocking: Blocking) {
    this.#path = path
    this.fd = fd
    this.#blocking = blocking
  }

  /** Creates a private file. `blocking` is shared by everything that writes to the same disk. */
  static async create(staging: Directory, blocking: Blocking): Promise<StagedFile> {
    const { name, fd } = await createStaged(staging)
    return new StagedFile(staging.path(name), fd, blocking)
  }

  /** Creates the file `name` in `directory`, with these permission bits (less the umask). */
  static createIn(directory: Directory, name: string, mode: number, blocking: Blocking): AtHand<StagedFile> {
    return andThen(createNew(directory, name, mode), (fd) => new StagedFile(directory.path(name), fd, blocking))
  }

  /** The path of the file until it has its final name. */
  get path(): string {
    return this.#path
  }

  /** Writes the bytes at `offset` now. Returns false and writes nothing if the disk is slow or too far behind. */
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

  /** Writes the bytes at `offset` once the disk has caught up. */
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

  /** Starts a flush of all bytes written so far. */
  #flush(): void {
    this.#flushed = this.#written
    const onDone = () => {
      this.#flushing = null
    }
    // The system reports lost bytes only once, to the next call that flushes. The next `write` or `sync` throws it.
    const onError = (error: unknown) => {
      this.#failure = { error }
    }
    // Flushes of other files may come first. A file that is closed in the meantime needs no flush.
    const flush = async () => {
      const start = performance.now()
      if (this.#isOpen) await disk.fdatasync(this.fd)
      const isLong = performance.now() - start > LONG_FLUSH
      this.#flushSize = Math.min(LARGEST_FLUSH, Math.max(SMALLEST_FLUSH, this.#flushSize * (isLong ? 0.5 : 2)))
    }
    this.#flushing = this.#blocking.queue(flush).then(onDone, onError)
  }

  /** Sets the permission bits and the modification time, if the file system supports them. */
  async setAttributes(mode: number, mtime: number | null): Promise<void> {
    await ifSupported(() => disk.fchmod(this.fd, mode))
    if (mtime !== null) await ifSupported(() => disk.futimes(this.fd, new Date(), new Date(mtime)))
  }

  /** Waits until nothing is being flushed any more. Throws if written bytes were lost. */
  async settle(): Promise<void> {
    await this.#flushing
    if (this.#failure) throw this.#failure.error
  }

  /**
   * Sets the modification time, if the file system supports it, and closes the file. Throws if written bytes were lost.
   * For a file that becomes durable with its directory.
   */
  seal(mtime: number | null): AtHand<void> {
    if (this.#failure) throw this.#failure.error
    if (this.#flushing) return this.#flushing.then(() => this.seal(mtime))
    const timed = mtime === null ? undefined : ifSupported(() => disk.futimes(this.fd, new Date(), new Date(mtime)))
    return andThen(timed, () => {
      this.#isOpen = false
      return closeQuietly(this.fd)
    })
  }

  /** Makes the content durable. An fsync of the folder makes the name durable. */
  async sync(): Promise<void> {
    await this.settle()
    await disk.fsync(this.fd)
  }

  /** Called once: later, the descriptor could belong to another file. After an fsync, no error of a close matters. */
  async close(): Promise<void> {
    this.#isOpen = false
    await this.#flushing
    await closeQuietly(this.fd)
  }

  /** Removes the file, unless it was closed before. Returns false if that fails. Never throws. */
  async discard(): Promise<boolean> {
    if (!this.#isOpen) return true
    await this.close()
    return await disk.unlink(this.#path).then(
      () => true,
      () => false,
    )
  }
}
