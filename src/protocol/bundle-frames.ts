/**
 * The frames of a connection in a bundle, in both directions: blocks of the stream, and how many of them have come. They
 * follow the `bundle` of that direction.
 *
 *   LaneDecoder       (block data | received | ended | bundle | abort | refused)*
 */
import { frameOf, writeHead } from './encode.js'
import { aFrame, FrameDecoder, grammar } from './frames.js'
import { FRAME_HEADER } from './limits.js'
import type { Abort, Bundling, Ended, Received } from './messages.js'
import { parsers } from './parsers.js'
import { ProtocolError } from './protocol-error.js'

/** The type of each frame. Those that mean the same elsewhere have the same letter. */
export const laneFrameTypes = {
  block: 'P',
  data: 'D',
  received: 'K',
  ended: 'E',
  bundle: 'U',
  abort: 'A',
  refused: 'R',
  heartbeat: 'B',
} as const

/** What a connection of a bundle carries. */
export type LaneMessage =
  | { frame: 'data'; bytes: Buffer; offset: number; first: boolean; length: number }
  | ({ frame: 'received' } & Received)
  | ({ frame: 'ended' } & Ended)
  | ({ frame: 'bundle' } & Bundling)
  | ({ frame: 'abort' } & Abort)
  | { frame: 'heartbeat' }
  | { frame: 'ancillary' }

const laneGrammar = grammar('', laneFrameTypes)

/** Reads one direction of a connection in a bundle. It must not be used after it has thrown. */
export class LaneDecoder {
  readonly #frames = new FrameDecoder(laneGrammar)
  /** The place of the next data in the stream. Null if a `block` must come first. */
  #offset: number | null = null
  /** The number of bytes of the block that have not come. */
  #left = 0
  /** True after the end of the stream: all of its blocks had arrived before. */
  #hasEnded = false

  /** As in `SenderDecoder` (decoder.ts). */
  detach(keep: (bytes: Buffer) => Buffer): void {
    this.#frames.detach(keep)
  }

  *push(bytes: Buffer): Generator<LaneMessage, void, undefined> {
    for (const { name, payload, first, length } of this.#frames.push(bytes)) {
      if ((name === 'data') === (this.#offset === null)) throw new ProtocolError(`${aFrame(name)} may not come here`)
      if (this.#hasEnded && (name === 'block' || name === 'ended'))
        throw new ProtocolError(`${aFrame(name)} may not come after the end of the stream`)
      switch (name) {
        case 'block':
          this.#offset = parsers.block(payload).offset
          break
        case 'data': {
          const offset = this.#offset as number
          if (first) this.#left = length
          this.#left -= payload.length
          if (this.#left === 0) this.#offset = null
          yield { frame: 'data', bytes: payload, offset, first, length }
          break
        }
        case 'received':
          yield { frame: 'received', ...parsers.received(payload) }
          break
        case 'ended':
          this.#hasEnded = true
          yield { frame: 'ended', ...parsers.ended(payload) }
          break
        case 'bundle':
          yield { frame: 'bundle', ...parsers.bundle(payload) }
          break
        case 'abort':
        case 'refused':
          yield { frame: 'abort', ...parsers.abort(payload) }
          break
        case 'heartbeat':
          parsers.heartbeat(payload)
          yield { frame: 'heartbeat' }
          break
        case 'ancillary':
          yield { frame: 'ancillary' }
      }
    }
  }
}

/** The most bytes before the data of a block: a `block` frame with the largest offset, and the head of a data frame. */
export const BLOCK_HEAD = FRAME_HEADER + '{"offset":9007199254740991}'.length + FRAME_HEADER

/** Writes the frames before the data of a block, which begin at `BLOCK_HEAD`. Returns where the frames begin. */
export function writeBlockHead(buffer: Buffer, offset: number, length: number): number {
  const block = frameOf(laneFrameTypes.block, { offset })
  const start = BLOCK_HEAD - FRAME_HEADER - block.length
  block.copy(buffer, start)
  writeHead(buffer, laneFrameTypes.data, length, BLOCK_HEAD - FRAME_HEADER)
  return start
}

export const encodeLane = {
  received: (received: Received) => frameOf(laneFrameTypes.received, received),
  ended: (ended: Ended) => frameOf(laneFrameTypes.ended, ended),
  bundle: (bundling: Bundling) => frameOf(laneFrameTypes.bundle, bundling),
}
