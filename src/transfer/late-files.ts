/**
 * The digests of files in a directory that need not be sent, because the receiver has them. Both sides read them again,
 * one after the other, while the rest of the directory moves.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { disk, metadata } from '../disk/disk.js'
import { createDigest, type Digest } from './digest.js'
import { PIECE } from './late-digest.js'

/** A file below this size is read by one call, which blocks while such calls are quick. */
const SMALL = 64 * 1024

/** After this many milliseconds, the event loop has its turn. */
const TURN = 1

/** What stands for the digest of a file that could not be read. No file has it. */
export const UNREADABLE = '0'.repeat(64)

export class LateFiles {
  /** The path of each file, in their order. */
  readonly paths: string[] = []
  readonly #digests: string[] = []
  readonly #digestOf: (path: string, digest: (fd: number) => Promise<string>) => Promise<string>
  readonly #digest: Digest
  readonly #buffer = Buffer.allocUnsafeSlow(PIECE)
  /** The latest run of `#work`, and whether it will still look for another file. */
  #working = Promise.resolve()
  #isWorking = false
  #isStopped = false

  /** @param digestOf opens a file, calls `digest` with its descriptor, and returns what that returns. It never throws. */
  private constructor(
    digest: Digest,
    digestOf: (path: string, digest: (fd: number) => Promise<string>) => Promise<string>,
  ) {
    this.#digest = digest
    this.#digestOf = digestOf
  }

  static async create(
    digestOf: (path: string, digest: (fd: number) => Promise<string>) => Promise<string>,
  ): Promise<LateFiles> {
    return new LateFiles(await createDigest(), digestOf)
  }

  add(path: string): void {
    this.paths.push(path)
    if (!this.#isWorking) this.#working = this.#work()
  }

  /** The digests of all files that were added, in their order. */
  async finish(): Promise<readonly string[]> {
    await this.#working
    return this.#digests
  }

  /** Reads no more. Resolves when nothing is open. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#working
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    // Whoever added the first file goes on first.
    await Promise.resolve()
    let start = performance.now()
    for (let next = this.#digests.length; next < this.paths.length && !this.#isStopped; next++) {
      if (performance.now() - start > TURN) {
        await nextTurn()
        start = performance.now()
      }
      this.#digests.push(await this.#digestOf(this.paths[next] as string, (fd) => this.#read(fd)))
    }
    this.#isWorking = false
  }

  async #read(fd: number): Promise<string> {
    this.#digest.reset()
    for (let position = 0, isSmall = metadata.isQuick; !this.#isStopped; isSmall = false) {
      const count = isSmall
        ? metadata.call(() => disk.readSync(fd, this.#buffer, 0, SMALL, 0))
        : await disk.read(fd, this.#buffer, 0, PIECE, position)
      this.#digest.update(this.#buffer.subarray(0, count))
      position += count
      if (count === 0 || (isSmall && count < SMALL)) break
    }
    return this.#digest.hex()
  }
}
