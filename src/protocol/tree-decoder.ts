/**
 * Bytes to the content of a directory, cut anywhere. It checks what `SenderDecoder` checks for entries: frames within
 * their limits, their order, and the size of each file. Names must ascend in each directory, so none comes twice.
 */
import { aFrame, FrameDecoder, grammar } from './frames.js'
import { CHUNK } from './limits.js'
import { compareKeys } from './order.js'
import { ProtocolError } from './protocol-error.js'
import { parseTree, type TreeFrameName, type TreeMessage, treeFrameTypes } from './tree-messages.js'

type TreeState = 'between' | 'file' | 'digests'

const treeGrammar = grammar('', treeFrameTypes)

const allowedFrames: Record<TreeState, readonly (TreeFrameName | 'ancillary')[]> = {
  between: ['directory', 'leave', 'symlink', 'file', 'kept', 'digests', 'ancillary'],
  file: ['data', 'end', 'abort', 'ancillary'],
  digests: ['digests', 'ancillary'],
}

/** A directory that is open. */
interface Level {
  /** The latest key in it. */
  latest: string
  /** The lengths of the files' and symlinks' names with which `latest` begins: a directory of that name would be next. */
  taken: number[]
}

export class TreeDecoder {
  readonly #frames = new FrameDecoder(treeGrammar)
  #state: TreeState = 'between'
  /** The directories that are open, the outermost first. */
  readonly #levels: Level[] = [{ latest: '', taken: [] }]
  /** True if the receiver has files of the directory. */
  readonly #isResumed: boolean
  /** The number of kept files whose digest has not come. */
  #kept = 0
  /** True if the sender has given up a file. */
  #isIncomplete = false
  /** The number of bytes of the file that are still to come. */
  #left = 0
  /** The digest of the file, if its header had one. */
  #blake3: string | undefined

  constructor(isResumed = false) {
    this.#isResumed = isResumed
  }

  /** The number of directories that are open below the directory itself. */
  get depth(): number {
    return this.#levels.length - 1
  }

  /** Throws unless everything that was begun has ended. Called at the end of the entry. */
  finish(): void {
    if (!this.#frames.isAtRest || this.#state === 'file' || this.depth > 0 || this.#kept > 0) {
      throw new ProtocolError('the directory ended before everything in it did')
    }
    if (this.#isIncomplete) throw new ProtocolError('the directory ended although a file in it was given up')
  }

  /** Must be called before the memory of the pushed bytes is used again, unless the generator has reached its end. */
  detach(keep: (bytes: Buffer) => Buffer): void {
    this.#frames.detach(keep)
  }

  *push(bytes: Buffer): Generator<TreeMessage & { payload?: Buffer }, void, undefined> {
    for (const { name, payload, first, length } of this.#frames.push(bytes)) {
      if (!allowedFrames[this.#state].includes(name)) {
        throw new ProtocolError(`${aFrame(name)} may not come here in a directory (state: ${this.#state})`)
      }
      switch (name) {
        case 'directory': {
          const item = parseTree.directory(payload)
          this.#advance(item.name, `${item.name}/`)
          this.#levels.push({ latest: '', taken: [] })
          yield { frame: 'directory', ...item, payload }
          break
        }
        case 'leave':
          parseTree.leave(payload)
          if (this.depth === 0) throw new ProtocolError('a leave frame may not come outside of all directories')
          this.#levels.pop()
          yield { frame: 'leave', payload }
          break
        case 'symlink': {
          const item = parseTree.symlink(payload)
          this.#advance(item.name, item.name)
          yield { frame: 'symlink', ...item, payload }
          break
        }
        case 'file': {
          const item = parseTree.file(payload)
          this.#advance(item.name, item.name)
          this.#state = 'file'
          this.#left = item.size
          this.#blake3 = item.blake3
          yield { frame: 'file', ...item, payload }
          yield* this.#endIfComplete()
          break
        }
        case 'kept': {
          if (!this.#isResumed) throw new ProtocolError('a kept frame may not come here in a directory')
          const item = parseTree.kept(payload)
          this.#advance(item.name, item.name)
          this.#kept++
          yield { frame: 'kept', ...item, payload }
          break
        }
        case 'digests': {
          const { digests } = parseTree.digests(payload)
          this.#kept -= digests.length
          if (this.depth > 0 || this.#kept < 0) throw new ProtocolError('digests of more files than were kept')
          this.#state = 'digests'
          yield { frame: 'digests', digests, payload }
          break
        }
        case 'data':
          if (first) this.#countData(length)
          yield { frame: 'data', bytes: payload }
          this.#left -= payload.length
          yield* this.#endIfComplete()
          break
        case 'end': {
          const end = parseTree.end(payload)
          if (this.#left > 0) throw new ProtocolError(`a file ended ${this.#left} bytes before its size`)
          this.#state = 'between'
          yield { frame: 'end', ...end, payload }
          break
        }
        case 'abort':
          parseTree.abort(payload)
          this.#state = 'between'
          this.#blake3 = undefined
          this.#isIncomplete = true
          yield { frame: 'abort', payload }
          break
        case 'ancillary':
          yield { frame: 'ancillary' }
      }
    }
  }

  #advance(name: string, key: string): void {
    const level = this.#levels.at(-1) as Level
    const { latest, taken } = level
    if (compareKeys(key, latest) <= 0) throw twice()
    while (taken.length > 0 && !name.startsWith(latest.slice(0, taken.at(-1)))) taken.pop()
    // The keys of a file `a` and a directory `a` are `a` and `a/`, and other keys may lie between them.
    if (key === name) taken.push(name.length)
    else if (taken.at(-1) === name.length) throw twice()
    level.latest = key
  }

  #countData(length: number): void {
    if (length > this.#left) throw new ProtocolError('more data than the size of a file in a directory')
    if (length < this.#left && length < CHUNK) {
      throw new ProtocolError(`less than ${CHUNK} bytes of data before the last of a file in a directory`)
    }
  }

  /** A file whose digest is known ends with its last byte. */
  *#endIfComplete(): Generator<TreeMessage, void, undefined> {
    if (this.#left > 0 || this.#blake3 === undefined) return
    const blake3 = this.#blake3
    this.#blake3 = undefined
    this.#state = 'between'
    yield { frame: 'end', blake3 }
  }
}

function twice(): ProtocolError {
  return new ProtocolError('the names in a directory must ascend, and none may come twice')
}
