/**
 * What both sides note of a directory while it passes: the digests, and each file for its event. The sender hears only
 * at the end whether the directory is stored, so the files wait for that in a spool.
 */
import { Spool } from '../disk/spool.js'
import { secondsSince } from '../event-values.js'
import { writeHead } from '../protocol/encode.js'
import { FRAME_HEADER } from '../protocol/limits.js'
import { type TreeFrameName, treeFrameTypes } from '../protocol/tree-messages.js'
import { checksumLine } from '../text.js'
import { createDigest, type Digest } from './digest.js'

/** A file in a directory. */
export interface TreeFile {
  /** Its path, from the directory on. */
  path: string
  size: number
  blake3: string
  seconds: number
  /** Its size, if the receiver had it before. */
  resumed?: number
}

/** How many bytes are digested at once: a call for each frame would take longer than the digest. */
const BATCH = 64 * 1024

export class TreeRecord {
  files = 0
  /** The bytes of all files so far. */
  bytes = 0
  /** Of those, the ones of files that the receiver had before. */
  resumed = 0
  /** The digests of those files, in their order. */
  #late: readonly string[] = []
  /** The path of the file that was begun last. */
  current = ''
  #hasLate = false
  readonly #contents: BatchedDigest
  /** For `#lateDigest`. */
  readonly #fresh: Digest
  readonly #frames: BatchedDigest
  readonly #spool = new Spool()

  private constructor(contents: Digest, frames: Digest, fresh: Digest) {
    this.#fresh = fresh
    this.#contents = new BatchedDigest(contents)
    this.#frames = new BatchedDigest(frames)
  }

  /** @param header the payload of the directory's header frame */
  static async create(header: Buffer): Promise<TreeRecord> {
    const record = new TreeRecord(await createDigest(), await createDigest(), await createDigest())
    record.addFrame(header)
    return record
  }

  /** Adds a frame other than data to the digest of the header. */
  addFrame(frame: Buffer): void {
    this.#frames.update(frame)
  }

  /** The same for the payload of a frame. */
  addPayload(name: TreeFrameName, payload: Buffer): void {
    this.#frames.updateFrame(treeFrameTypes[name], payload)
  }

  /** Adds a file that is complete. `start` is a value of `performance.now()`. */
  addFile(path: string, size: number, blake3: string, start: number): void {
    this.files++
    this.#contents.updateText(checksumLine(blake3, `./${path}`))
    this.#spool.add(JSON.stringify([path, size, blake3, secondsSince(start)]))
  }

  /** Adds a file that the receiver has. Its digest comes later. */
  addKept(path: string, size: number): void {
    this.files++
    this.bytes += size
    this.resumed += size
    this.#hasLate = true
    this.#spool.add(JSON.stringify([path, size, null, 0]))
  }

  /** The digests of the files of `addKept`, in their order. */
  setLate(digests: readonly string[]): void {
    this.#late = digests
  }

  /** Called once, at the end. `blake3` is what the recipe of the README prints. */
  digests(): { blake3: string; header: string } {
    return { blake3: this.#hasLate ? this.#lateDigest() : this.#contents.hex(), header: this.#frames.hex() }
  }

  /** The digest of the lines in their order, now that all of them are known. */
  #lateDigest(): string {
    const contents = new BatchedDigest(this.#fresh)
    for (const { path, blake3 } of this.all()) contents.updateText(checksumLine(blake3, `./${path}`))
    return contents.hex()
  }

  /** All files, in the order in which they passed. */
  *all(): Generator<TreeFile, void, undefined> {
    let late = 0
    for (const line of this.#spool.lines()) {
      const [path, size, blake3, seconds] = JSON.parse(line) as [string, number, string | null, number]
      if (blake3 !== null) yield { path, size, blake3, seconds }
      else yield { path, size, blake3: this.#late[late++] as string, seconds, resumed: size }
    }
  }

  close(): void {
    this.#spool.close()
  }
}

/** A digest of many small pieces. */
class BatchedDigest {
  readonly #digest: Digest
  readonly #batch = Buffer.allocUnsafe(BATCH)
  #filled = 0

  constructor(digest: Digest) {
    this.#digest = digest
  }

  update(bytes: Buffer): void {
    if (this.#filled + bytes.length > BATCH) this.#flush()
    if (bytes.length > BATCH) {
      this.#digest.update(bytes)
      return
    }
    this.#batch.set(bytes, this.#filled)
    this.#filled += bytes.length
  }

  updateFrame(type: string, payload: Buffer): void {
    if (this.#filled + FRAME_HEADER > BATCH) this.#flush()
    writeHead(this.#batch, type, payload.length, this.#filled)
    this.#filled += FRAME_HEADER
    this.update(payload)
  }

  updateText(text: string): void {
    if (this.#filled + 3 * text.length > BATCH) this.#flush()
    if (3 * text.length > BATCH) this.update(Buffer.from(text))
    else this.#filled += this.#batch.write(text, this.#filled)
  }

  hex(): string {
    this.#flush()
    return this.#digest.hex()
  }

  #flush(): void {
    this.#digest.update(this.#batch.subarray(0, this.#filled))
    this.#filled = 0
  }
}
