/**
 * A directory as a stream of bytes for the pump: everything that the walk finds, in the frames of
 * `protocol/tree-messages.ts`. A small file is read, compared with what it was, and digested before its header is made.
 */
import type { Stats } from 'node:fs'
import { type AtHand, andThen, orElse } from '../at-hand.js'
import { closeQuietly } from '../disk/disk.js'
import { localError } from '../disk/local-error.js'
import { readSmallFile, type SmallFile } from '../disk/small-file.js'
import { TransferError } from '../errors.js'
import { writeHead } from '../protocol/encode.js'
import { FRAME_HEADER } from '../protocol/limits.js'
import { encodeTree, treeFrameTypes } from '../protocol/tree-messages.js'
import { attributesOf, changeOf } from '../sources/attributes.js'
import { incomplete } from '../sources/folder-source.js'
import { OpenFile } from '../sources/open-file.js'
import type { OpenDirectory } from '../sources/source.js'
import type { TreeItem } from '../sources/tree-walk.js'
import { createDigest, type Digest } from './digest.js'
import type { KeptItems } from './kept-items.js'
import { Overflow } from './overflow.js'
import type { TreeRecord } from './tree-record.js'

/** A file below this size is read at once, in bytes. */
const SMALL = 64 * 1024

/** Less room than this in the pump's buffer is not filled directly. */
const LITTLE_ROOM = 4 * 1024

/** A file that is too large to be read at once. */
interface LargeFile {
  path: string
  file: OpenFile
  size: number
  start: number
}

export interface TreeStreamSteps {
  opened: OpenDirectory
  record: TreeRecord
  /** What the receiver has. Null if it was not asked. */
  kept: KeptItems | null
  /** Called for everything that cannot be sent. `path` begins at the directory. */
  onProblem(path: string, error: TransferError): void
}

export class TreeStream {
  readonly header: OpenDirectory['header']
  readonly #opened: OpenDirectory
  readonly #record: TreeRecord
  readonly #kept: KeptItems | null
  readonly #digest: Digest
  readonly #onProblem: TreeStreamSteps['onProblem']
  readonly #scratch = Buffer.allocUnsafeSlow(SMALL)
  readonly #overflow = new Overflow()
  #large: LargeFile | null = null
  #isOver = false
  #failures = 0

  private constructor({ opened, record, kept, onProblem }: TreeStreamSteps, digest: Digest) {
    this.#opened = opened
    this.header = opened.header
    this.#record = record
    this.#kept = kept
    this.#digest = digest
    this.#onProblem = onProblem
  }

  static async create(steps: TreeStreamSteps): Promise<TreeStream> {
    return new TreeStream(steps, await createDigest())
  }

  /** Fills `length` bytes of `buffer` from `offset` on, fewer only at the end. */
  read(buffer: Buffer, offset: number, length: number): AtHand<number> {
    const place = buffer.subarray(offset, offset + length)
    return this.#fill(place, this.#overflow.drain(place))
  }

  #fill(place: Buffer, done: number): AtHand<number> {
    let filled = done
    while (filled < place.length && !this.#isOver) {
      const step = this.#step(place.subarray(filled))
      if (step instanceof Promise) return step.then((count) => this.#fill(place, filled + count))
      filled += step
    }
    return filled
  }

  /** Puts the next frames, or the next piece of a large file, into `place`. Returns the number of bytes. */
  #step(place: Buffer): AtHand<number> {
    if (this.#large) return this.#readLarge(this.#large, place)
    return andThen(this.#opened.tree.next(), (item) => {
      this.#isOver = item === null
      if (item === null) return this.#kept ? this.#endKept(this.#kept, place) : 0
      const frames =
        item.kind !== 'file'
          ? this.#frameOf(item)
          : this.#kept?.has(item)
            ? this.#skip(this.#kept, item)
            : this.#begin(item)
      return andThen(frames, (ready) => this.#overflow.put(place, ready))
    })
  }

  /** A file that the receiver has need not be sent, unless it is another one. */
  async #skip(kept: KeptItems, item: TreeItem & { kind: 'file' }): Promise<Buffer[]> {
    const frame = await kept.skip(item, this.#record)
    return frame ? this.#control(frame) : await this.#begin(item)
  }

  /** Ends the directory with the digests of what was skipped. */
  async #endKept(kept: KeptItems, place: Buffer): Promise<number> {
    const frames = await kept.finish(this.#record, (path) => this.#problem(path, this.#changed(path, 'changed')))
    for (const frame of frames) this.#control(frame)
    return this.#overflow.put(place, frames)
  }

  #frameOf(item: Exclude<TreeItem, { kind: 'file' }>): Buffer[] {
    switch (item.kind) {
      case 'directory':
        return this.#control(encodeTree.directory({ name: item.name, ...item.attributes }))
      case 'leave':
        return this.#control(encodeTree.leave())
      case 'symlink': {
        const { name, target, mtime } = item
        return this.#control(encodeTree.symlink({ name, target, mtime }))
      }
      case 'problem':
        return this.#problem(item.path, item.error, item.isLeftOut)
    }
  }

  #control(frame: Buffer): Buffer[] {
    this.#record.addFrame(frame)
    return [frame]
  }

  #problem(path: string, error: TransferError, isLeftOut = false): Buffer[] {
    if (!isLeftOut) this.#failures++
    this.#onProblem(path, error)
    return []
  }

  #begin(item: TreeItem & { kind: 'file' }): AtHand<Buffer[]> {
    const start = performance.now()
    this.#record.current = item.path
    return andThen(
      orElse<SmallFile | Buffer[]>(
        () => readSmallFile(item.place, this.#scratch, item.follow),
        (error) => this.#problem(item.path, this.#readError(item.path, error)),
      ),
      (found) => (Array.isArray(found) ? found : this.#framesOf(item, found, start)),
    )
  }

  #readError(path: string, error: unknown): TransferError {
    return localError('cannot read', this.#opened.tree.rawLabel(path), error)
  }

  #framesOf(item: TreeItem & { kind: 'file' }, found: SmallFile, start: number): Buffer[] {
    const { name, path } = item
    const { stats, after, length, fd } = found
    if (fd !== null) return this.#beginLarge(item, stats, fd, start)
    const change =
      length < stats.size ? 'became shorter' : length > stats.size ? 'became longer' : changeOf(stats, after)
    if (change !== null) return this.#problem(path, this.#changed(path, change))
    const content = this.#scratch.subarray(0, length)
    this.#digest.reset()
    this.#digest.update(content)
    const blake3 = this.#digest.hex()
    const frame = encodeTree.file({ name, size: length, ...attributesOf(stats), blake3 })
    this.#record.addFrame(frame)
    this.#record.addFile(path, length, blake3, start)
    this.#record.bytes += length
    if (length === 0) return [frame]
    const head = Buffer.allocUnsafe(FRAME_HEADER)
    writeHead(head, treeFrameTypes.data, length, 0)
    return [frame, head, content]
  }

  #changed(path: string, what: string): TransferError {
    const text = `${this.#opened.tree.label(path)} ${what} while it was sent`
    return new TransferError('local-file', text, { reason: 'changed' })
  }

  #beginLarge({ name, path }: TreeItem & { kind: 'file' }, stats: Stats, fd: number, start: number): Buffer[] {
    if (!stats.isFile()) {
      closeQuietly(fd)
      return this.#problem(path, this.#changed(path, 'was replaced by something that is no file'))
    }
    const label = this.#opened.tree.label(path)
    this.#large = { path, file: new OpenFile(label, fd, stats, name), size: stats.size, start }
    this.#digest.reset()
    return this.#control(encodeTree.file({ name, size: stats.size, ...attributesOf(stats) }))
  }

  /** Puts the next piece of a large file, or its end, into `place`. Returns the number of bytes. */
  #readLarge(large: LargeFile, place: Buffer): AtHand<number> {
    return orElse(
      () => {
        const target = place.length < LITTLE_ROOM ? this.#scratch : place
        const reading = large.file.read(target, FRAME_HEADER, target.length - FRAME_HEADER)
        return andThen(reading, (count) =>
          count === 0 ? this.#endLarge(large, place) : this.#pieceOf(target, count, place),
        )
      },
      (error) =>
        andThen(this.#closeLarge(), () => {
          this.#problem(large.path, this.#readError(large.path, error))
          return this.#overflow.put(place, this.#control(encodeTree.abort()))
        }),
    )
  }

  /** Frames the `count` bytes that were read into `target`, which is `place` itself if there is room for a frame. */
  #pieceOf(target: Buffer, count: number, place: Buffer): number {
    this.#digest.update(target.subarray(FRAME_HEADER, FRAME_HEADER + count))
    this.#record.bytes += count
    writeHead(target, treeFrameTypes.data, count, 0)
    return target === place
      ? FRAME_HEADER + count
      : this.#overflow.put(place, [target.subarray(0, FRAME_HEADER + count)])
  }

  #endLarge({ path, file, size, start }: LargeFile, place: Buffer): AtHand<number> {
    const closing = andThen(file.compare(), () => this.#closeLarge())
    return andThen(closing, () => {
      const blake3 = this.#digest.hex()
      this.#record.addFile(path, size, blake3, start)
      return this.#overflow.put(place, this.#control(encodeTree.end({ blake3 })))
    })
  }

  #closeLarge(): AtHand<void> {
    const large = this.#large
    this.#large = null
    return large?.file.close()
  }

  /** Throws if a file could not be sent: a directory is stored whole or not at all. */
  async check(isKept: boolean): Promise<void> {
    const label = this.#opened.tree.label('').replace(/\/$/, '')
    if (this.#failures > 0) throw incomplete(label, this.#failures, isKept && this.#record.files > 0)
  }

  async close(): Promise<void> {
    await this.#kept?.stop()
    await this.#closeLarge()
  }
}
