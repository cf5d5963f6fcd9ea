/** Another stream from a stream: its frames are moved, their payloads edited, and then single bytes are changed. */
import { join, type Parts, type RawFrame } from './corpus.ts'
import { editJson } from './json-edits.ts'
import type { Random } from './random.ts'

/** Data, compressed or not: no JSON. */
const dataLetters = Buffer.from('DZ')
const letters = Buffer.from('GHDZVPEAFSRWIUBOCLKXgxz\0')

/** Lengths at which something changes. */
const lengths = [0, 1, 2, 5, 1023, 1024, 1025, 65_535, 65_536, 65_537, 1_048_576, 1_048_577, 2 ** 31, 2 ** 32 - 1]

/** @param other a stream of the same grammar, from which frames may be taken */
export function mutate(parts: Parts, other: Parts, random: Random): Buffer {
  // Most streams are short, because more of them can be tried then.
  const frames = random.once(8) ? parts.frames.slice() : parts.frames.slice(0, 1 + random.few(5))
  const onBytes = random.below(4)
  if (onBytes !== 0) for (let count = random.few(4); count > 0; count--) changeFrames(frames, other, random)
  // A wrong magic ends everything.
  const magic = random.once(500) ? other.magic.subarray(0, random.below(9)) : parts.magic
  let bytes = join({ magic, frames, rest: parts.rest })
  if (onBytes <= 1) for (let count = random.few(4); count > 0; count--) bytes = changeBytes(bytes, random)
  return bytes
}

function changeFrames(frames: RawFrame[], other: Parts, random: Random): void {
  const at = random.below(frames.length)
  const frame = frames[at]
  if (!frame) {
    frames.push(...other.frames.slice(0, 3))
    return
  }
  switch (random.below(12)) {
    case 0:
      frames.splice(at, random.few(3))
      return
    case 1:
      frames.splice(random.below(frames.length + 1), 0, frame)
      return
    case 2: {
      const to = random.below(frames.length)
      frames[at] = frames[to] as RawFrame
      frames[to] = frame
      return
    }
    case 3:
    case 4: {
      const from = random.below(other.frames.length)
      frames.splice(at + random.below(2), random.below(2), ...other.frames.slice(from, from + random.few(4)))
      return
    }
    case 5:
      frames[at] = { letter: letters[random.below(letters.length)] as number, payload: frame.payload }
      return
    case 6:
      frames.splice(at, 1, ...(dataLetters.includes(frame.letter) ? recut(frame, random) : [editJson(frame, random)]))
      return
    default:
      frames[at] = dataLetters.includes(frame.letter) ? resize(frame, random) : editJson(frame, random)
  }
}

/** Data in two frames. */
function recut({ letter, payload }: RawFrame, random: Random): RawFrame[] {
  const at = random.once(2) ? random.below(payload.length) : Math.min(payload.length, random.pick(lengths))
  return [payload.subarray(0, at), payload.subarray(at)].map((piece) => ({ letter, payload: piece }))
}

function resize({ letter, payload }: RawFrame, random: Random): RawFrame {
  const length = random.once(3) ? random.pick([0, 1, 1023, 1024, 1025, 2048]) : random.below(2 * payload.length)
  const changed = Buffer.alloc(length, random.below(256))
  payload.copy(changed)
  return { letter, payload: changed }
}

function changeBytes(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length)
  const count = random.once(8) ? random.below(200) : random.few(12)
  switch (random.below(7)) {
    case 0:
    case 1:
      if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
      return bytes
    case 2:
      if (bytes.length > 0) bytes[at] = random.below(256)
      return bytes
    case 3: {
      const inserted = Buffer.alloc(count, random.next().toString(16))
      return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)])
    }
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)])
    case 5:
      return random.once(3) ? bytes.subarray(0, at) : Buffer.concat([bytes.subarray(0, at + count), bytes.subarray(at)])
    default:
      if (bytes.length - at >= 4) bytes.writeUInt32BE(random.pick(lengths), at)
      return bytes
  }
}
