/**
 * Bytes to the content of a directory, cut anywhere. It checks what `SenderDecoder` checks for entries: frames within
 * their limits, their order, and the size of each file. Names must ascend in each directory, so none comes twice.
 */
import { FrameDecoder, grammar } from './frames.js'
import { compareKeys } from './order.js'
import { ProtocolError } from './protocol-error.js'
import { parseTree, type TreeFrameName, type TreeMessage, treeFrameTypes } from './tree-messages.js'

type TreeState = 'between' | 'file'

const treeGrammar = grammar('', treeFrameTypes)

const allowedFrames: Record<TreeState, readonly (TreeFrameName | 'ancillary')[]> = {
  between: ['directory', 'leave', 'symlink', 'file', 'ancillary'],
  file: ['data', 'end', 'abort', 'ancillary'],
}

export class TreeDecoder {
  readonly #frames = new FrameDecoder(treeGrammar)
  #state: TreeState = 'between'
  /** The latest key in each directory that is open, the outermost first. */
  readonly #latest: string[] = ['']
  /** The number of bytes of the file that are still to come. */
  #left = 0
  /** The digest of the file, if its header had one. */
  #blake3: string | undefined

  /** The number of directories that are open below the directory itself. */
  get depth(): number {
    return this.#latest.length - 1
  }

  /** Throws unless everything that was begun has ended. Called at the end of the entry. */
  finish(): void {
    if (this.#frames.isAtRest && this.#state === 'between' && this.depth === 0) return
    throw new ProtocolError('the directory ended before everything in it did')
  }

  *push(bytes: Buffer): Generator<TreeMessage & { payload?: Buffer }, void, undefined> {
    for (const { name, payload, first, length } of this.#frames.push(bytes)) {
      if (!allowedFrames[this.#state].includes(name)) {
        throw new ProtocolError(`a ${name} frame may not come here in a directory (state: ${this.#state})`)
      }
      switch (name) {
        case 'directory': {
          const item = parseTree.directory(payload)
          this.#advance(`${item.name}/`)
          this.#latest.push('')
          yield { frame: 'directory', ...item, payload }
          break
        }
        case 'leave':
          parseTree.leave(payload)
          if (this.depth === 0) throw new ProtocolError('a leave frame may not come outside of all directories')
          this.#latest.pop()
          yield { frame: 'leave', payload }
          break
        case 'symlink': {
          const item = parseTree.symlink(payload)
          this.#advance(item.name)
          yield { frame: 'symlink', ...item, payload }
          break
        }
        case 'file': {
          const item = parseTree.file(payload)
          this.#advance(item.name)
          this.#state = 'file'
          this.#left = item.size
          this.#blake3 = item.blake3
          yield { frame: 'file', ...item, payload }
          yield* this.#endIfComplete()
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
          yield { frame: 'abort', payload }
      }
    }
  }

  #advance(key: string): void {
    const last = this.#latest.length - 1
    if (compareKeys(key, this.#latest[last] as string) <= 0) {
      throw new ProtocolError('the names in a directory must ascend, and none may come twice')
    }
    this.#latest[last] = key
  }

  #countData(length: number): void {
    if (length > this.#left) throw new ProtocolError('more data than the size of a file in a directory')
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
