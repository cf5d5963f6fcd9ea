/** The way in of a directory: decode its items, check the limits, digest, store; at the end verify and commit. */
import { type AtHand, andThen } from '../at-hand.js'
import { TransferError } from '../errors.js'
import type { HeaderMessage } from '../links/link.js'
import { retain } from '../net/memory.js'
import type { Turn } from '../net/turn.js'
import type { End } from '../protocol/messages.js'
import { TreeDecoder } from '../protocol/tree-decoder.js'
import type { FileItem, KeptItem, TreeMessage } from '../protocol/tree-messages.js'
import type { TreeFileSink, TreeSink } from '../stores/store.js'
import type { AdoptedFiles } from './adopted-files.js'
import { WireCount } from './compression.js'
import type { Digest } from './digest.js'
import type { Taken } from './intake.js'
import { checkDepth, checkItem, checkItemFile, checkSymlink, type Policy } from './policy.js'
import { type ProgressReport, wireField } from './progress-report.js'
import { type CurrentFile, gather } from './tree-file.js'
import type { TreeRecord } from './tree-record.js'
import { damagedError, fileMismatch, verifyEnd } from './verification.js'

/** A file up to this size is stored at once, when all its bytes are there. */
const SMALL = 64 * 1024

export interface TreeSteps {
  policy: Policy
  sink: TreeSink
  digest: Digest
  record: TreeRecord
  progress: ProgressReport
  /** The turn of the connection: one piece of data may hold ten thousand small files. */
  turn: Turn
  /** Counts an item. Throws a refusal if there are too many. */
  count: () => void
  /** For a directory whose sender asks what is there: the files that need not come. */
  kept: AdoptedFiles | null
}

export class TreeIntake {
  readonly entry: number
  readonly header: HeaderMessage
  readonly start = performance.now()
  /** The bytes of the data so far, which are those of all files and of the frames around them. */
  #length = 0
  readonly #wire = new WireCount()
  readonly #steps: TreeSteps
  readonly #decoder: TreeDecoder
  /** The path of the current directory, with a slash at its end. Empty for the directory itself. */
  #prefix = ''
  #file: CurrentFile | null = null
  /** False while something is being stored, and for good after something has failed. */
  #isAtRest = true

  constructor(entry: number, header: HeaderMessage, steps: TreeSteps) {
    this.entry = entry
    this.header = header
    this.#steps = steps
    this.#decoder = new TreeDecoder(steps.kept !== null)
  }

  /** What is there of the directory, for a sender that asks. */
  list(): AsyncIterable<string> {
    return this.#steps.sink.list()
  }

  /** The bytes of all files so far. */
  get bytes(): number {
    return this.#steps.record.bytes
  }

  /** Takes the next bytes, by the rule of net/memory.ts. They were `wire` bytes if they were compressed. */
  take(bytes: Buffer, wire?: number): AtHand<void> {
    this.#isAtRest = false
    this.#steps.progress.wire = this.#wire.add(bytes.length, wire)
    this.#length += bytes.length
    const { turn } = this.#steps
    const waits = { before: () => this.#beforeWait() }
    const working = turn.work(this.#decoder.push(bytes), (message) => this.#onMessage(message), waits)
    return andThen(working, () => this.#rest())
  }

  #rest(): void {
    const { progress, record } = this.#steps
    progress.updateTree(record)
    this.#isAtRest = true
  }

  #beforeWait(): void {
    const { progress, record } = this.#steps
    progress.updateTree(record)
    this.#decoder.detach(retain)
    // The bytes of a small file may still be where they came.
    if (this.#file?.small) this.#file.small = retain(this.#file.small)
  }

  #onMessage(message: TreeMessage & { payload?: Buffer }): AtHand<void> {
    const { sink, record, kept } = this.#steps
    if (message.frame === 'ancillary') return undefined
    if (message.payload) record.addPayload(message.frame, message.payload)
    switch (message.frame) {
      case 'file':
        return this.#onFile(message)
      case 'data':
        return this.#onData(message.bytes)
      case 'end':
        return this.#onEnd(message.blake3)
      case 'abort':
        return this.#onAbort()
      case 'kept':
        return this.#onKept(message)
      case 'digests':
        return kept?.announce(message.digests)
      case 'directory':
        this.#check(message.name)
        this.#prefix += `${message.name}/`
        checkDepth(this.#decoder.depth, this.#steps.policy)
        return sink.enter(message)
      case 'leave':
        this.#prefix = this.#prefix.replace(/[^/]*\/$/, '')
        return sink.leave()
      case 'symlink': {
        checkSymlink(this.#check(message.name), message.target, this.#decoder.depth)
        return sink.symlink(message)
      }
    }
  }

  /** Counts an item, and checks its name. Returns its path. */
  #check(name: string): string {
    const { policy, count } = this.#steps
    count()
    const path = this.#prefix + name
    checkItem(name, path, policy)
    return path
  }

  #onFile(item: FileItem): AtHand<void> {
    const { policy, record, digest } = this.#steps
    const path = this.#check(item.name)
    checkItemFile(path, item.size, policy)
    record.current = path
    const isSmall = item.blake3 !== undefined && item.size <= SMALL
    digest.reset()
    const small = isSmall ? Buffer.alloc(0) : null
    this.#file = { item, path, start: performance.now(), bytes: 0, small, sink: null }
    const file = this.#file
    return isSmall
      ? undefined
      : andThen(this.#steps.sink.begin(item), (sink) => {
          file.sink = sink
        })
  }

  /** The file need not come. */
  async #onKept(item: KeptItem): Promise<void> {
    const { policy, record, kept } = this.#steps
    const path = this.#check(item.name)
    checkItemFile(path, item.size, policy)
    await kept?.adopt(item, path)
    record.current = path
    record.addKept(path, item.size)
  }

  #onData(bytes: Buffer): AtHand<void> {
    const file = this.#file as CurrentFile
    const { digest, record } = this.#steps
    const offset = file.bytes
    file.bytes += bytes.length
    record.bytes += bytes.length
    digest.update(bytes)
    if (file.small === null) {
      const { sink } = file as CurrentFile & { sink: TreeFileSink }
      return sink.write(bytes, offset) ? undefined : sink.writeLater(retain(bytes), offset)
    }
    gather(file, bytes, offset)
    return undefined
  }

  #onEnd(announced: string): AtHand<void> {
    const file = this.#file as CurrentFile
    const { digest, sink } = this.#steps
    const blake3 = digest.hex()
    if (blake3 !== announced) throw fileMismatch(file.path, blake3, announced)
    const storing = file.small === null ? file.sink?.commit() : sink.file(file.item, retain(file.small))
    return andThen(storing, () => {
      this.#file = null
      this.#steps.record.addFile(file.path, file.bytes, blake3, file.start)
    })
  }

  /** The sender could not read the file to its end. It will abort the directory, after everything else has come. */
  async #onAbort(): Promise<void> {
    const file = this.#file as CurrentFile
    this.#steps.record.bytes -= file.bytes
    this.#file = null
    await file.sink?.discard()
  }

  /** Called after the last byte. Compares the digests, and commits the directory. */
  async finish(end: End): Promise<Taken> {
    this.#isAtRest = false
    this.#decoder.finish()
    const { record, sink, kept } = this.#steps
    if (kept && !(await kept.check())) {
      this.#isAtRest = true
      throw damagedError(this.header.name)
    }
    record.setLate(kept?.digests ?? [])
    const { blake3, header } = record.digests()
    if (end.header !== header) {
      const text = 'a name or another fact about something in it was changed on its way'
      throw new TransferError('digest-mismatch', text, { reason: 'digest', peerMessage: text })
    }
    const received = { header: this.header, headerPayload: null, bytes: this.#length, blake3, sha256: null }
    if (!(await verifyEnd(end, received))) throw fileMismatch(this.header.name, blake3, 'nothing')
    const stored = await sink.commit()
    const moved = { ...(record.resumed > 0 ? { resumed: record.resumed } : {}), ...wireField(this.#wire.total) }
    return { ...stored, blake3, sha256: null, bytes: this.#length, isVerified: true, ...moved, record }
  }

  /**
   * Keeps the files that are complete, also those of an earlier transfer, and removes everything else. Returns the path of the directory, with a slash at
   * its end, or null if none are kept. Never throws.
   */
  async keep(): Promise<string | null> {
    const { sink, record, kept } = this.#steps
    await kept?.stop()
    await this.#file?.sink?.discard()
    const path = this.#isAtRest && (record.files > 0 || sink.isResumed) ? await sink.keep() : null
    await this.discard()
    return path && `${path}/`
  }

  /** Removes everything that was stored of the directory. Never throws. */
  async discard(): Promise<void> {
    await this.#steps.kept?.stop()
    await this.#file?.sink?.discard()
    this.#file = null
    await this.#steps.sink.discard()
    this.#steps.record.close()
  }
}
