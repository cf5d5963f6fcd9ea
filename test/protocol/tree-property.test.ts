/** Directories that nobody thought of: however their bytes are cut, spoiled or made up, they come out right or not at all. */
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { TreeDecoder } from '../../dist/protocol/tree-decoder.js'
import type { TreeMessage } from '../../dist/protocol/tree-messages.js'
import { bytewise, cutAt, decode } from '../fixtures/decode.ts'
import { digest, frame, frameHeader } from '../fixtures/peer-frames.ts'
import { cuts } from '../fixtures/stream.ts'
import { anyTree, framesOf, type Item } from '../fixtures/tree-frames.ts'

function holds<Values>(t: Test, property: fc.IProperty<Values>, numRuns: number): void {
  t.doesNotThrow(() => fc.assert(property, { numRuns }), `holds for ${numRuns} directories`)
}

/** The most bytes of a control payload, which is all that a decoder may ever hold. */
const MOST_HELD = 65_536

/** What a decoder makes of the pieces: its messages, and the reason of the breach if there is one. */
function outcome(pieces: Iterable<Uint8Array>) {
  const decoder = new TreeDecoder(true)
  const { messages, error } = decode(decoder, pieces)
  if (error !== null && !(error instanceof ProtocolError)) throw error
  const found = messages.map(({ payload, ...message }: TreeMessage & { payload?: Buffer }) => message)
  return { messages: found, reason: error === null ? null : error.reason, decoder }
}

/** What the messages of a directory tell of it. */
function itemsOf(messages: readonly TreeMessage[]): Item[] {
  const levels: Item[][] = [[]]
  for (const message of messages) {
    const items = levels.at(-1) as Item[]
    const last = items.at(-1)
    if (message.frame === 'symlink') items.push({ kind: 'symlink', name: message.name, target: message.target })
    if (message.frame === 'leave') levels.pop()
    if (message.frame === 'directory') {
      const inside: Item[] = []
      items.push({ kind: 'directory', name: message.name, items: inside })
      levels.push(inside)
    }
    if (message.frame === 'file') {
      const isStreamed = message.blake3 === undefined
      items.push({ kind: 'file', name: message.name, content: Buffer.alloc(0), isStreamed })
    }
    if (last?.kind !== 'file') continue
    if (message.frame === 'data') last.content = Buffer.concat([last.content, message.bytes])
    if (message.frame === 'end' && message.blake3 !== digest(last.content)) throw new Error('another digest')
  }
  return levels[0] as Item[]
}

t.test('reads any directory as it is, however its bytes are cut', async (t) => {
  const property = fc.property(anyTree, cuts, (items, places) => {
    const stream = Buffer.concat(framesOf(items))
    for (const pieces of [[stream], cutAt(stream, places), bytewise(stream)]) {
      const { messages, reason, decoder } = outcome(pieces)
      if (reason !== null || !isDeepStrictEqual(itemsOf(messages), items)) return false
      decoder.finish()
    }
    return true
  })
  holds(t, property, 300)
})

t.test('does not take a directory for complete that ends anywhere before its end', async (t) => {
  const property = fc.property(anyTree, fc.nat(), (items, place) => {
    const frames = framesOf(items)
    const stream = Buffer.concat(frames)
    const cut = place % (stream.length + 1)
    const { reason, decoder } = outcome([stream.subarray(0, cut)])
    let isWhole = true
    try {
      decoder.finish()
    } catch {
      isWhole = false
    }
    // Between two items of the directory itself, only its digest shows that something is missing.
    return reason === null && isWhole === betweenItems(items).has(cut)
  })
  holds(t, property, 300)
})

/** The places in the stream of a directory at which nothing that was begun is open. */
function betweenItems(items: readonly Item[]): Set<number> {
  let at = 0
  return new Set([0, ...items.map((item) => (at += Buffer.concat(framesOf([item])).length))])
}

t.test('takes no directory in which two items have the same name, wherever they stand', async (t) => {
  const property = fc.property(anyTree, fc.nat(), fc.constantFrom('O', 'L', 'H'), (items, place, letter) => {
    const twin = items[place % Math.max(1, items.length)]
    if (twin === undefined) return true
    const { name } = twin
    const again = letter === 'O' ? 'directory' : letter === 'L' ? 'symlink' : 'file'
    const other = { name, kind: again, target: 'x', items: [], content: Buffer.from('x'), isStreamed: false } as Item
    return [...items.keys(), items.length].every(
      (at) => outcome([Buffer.concat(framesOf(items.toSpliced(at, 0, other)))]).reason !== null,
    )
  })
  holds(t, property, 200)
})

t.test('survives any change of single bytes, with the same outcome for every cut', async (t) => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 })
  const property = fc.property(anyTree, changes, cuts, (items, bytes, places) => {
    const stream = Buffer.concat(framesOf(items))
    for (const [place, value] of bytes) if (stream.length > 0) stream[place % stream.length] = value
    const [whole, cut] = [outcome([stream]), outcome(cutAt(stream, places))]
    return isDeepStrictEqual([cut.messages, cut.reason], [whole.messages, whole.reason])
  })
  holds(t, property, 500)
})

/** Collects the sizes of the buffers that are made until the test ends. */
function watchAllocations(t: Test): number[] {
  const sizes: number[] = []
  for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const) {
    const make = Buffer[name]
    Buffer[name] = (size: number) => {
      sizes.push(size)
      return make(Math.min(size, MOST_HELD))
    }
    t.teardown(() => {
      Buffer[name] = make
    })
  }
  return sizes
}

t.test('makes of any bytes at all messages or a ProtocolError, within bounds of memory', async (t) => {
  const sizes = watchAllocations(t)
  const lengths = fc.oneof(
    fc.nat(100),
    fc.integer({ min: 65_500, max: 65_600 }),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  )
  const heads = fc
    .tuple(fc.constantFrom(...'OCLHDEAKVGFSRBXx'), lengths)
    .map(([letter, length]) => frameHeader(letter, length))
  const junk = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes))
  const names = fc.constantFrom('a', 'b', 'c/', '', '..')
  const control = fc
    .record({
      letter: fc.constantFrom(...'OCLHEAKV'),
      name: names,
      size: fc.nat(70_000),
      target: names,
      blake3: fc.constant(digest('')),
      digests: fc.constantFrom([digest('')], [digest(''), digest('x')], []),
    })
    .map(({ letter, ...fields }) => frame(letter, fields))
  const data = fc.nat(3_000).map((length) => frame('D', Buffer.alloc(Math.max(1, length))))
  const property = fc.property(
    fc.array(fc.oneof(heads, junk, control, data), { maxLength: 8 }),
    cuts,
    (parts, places) => {
      const stream = Buffer.concat(parts)
      const [whole, cut] = [outcome([stream]), outcome(cutAt(stream, places))]
      return isDeepStrictEqual([cut.messages, cut.reason], [whole.messages, whole.reason])
    },
  )
  holds(t, property, 800)
  t.ok(Math.max(...sizes) > 65_000, 'what comes in pieces is held')
  t.ok(Math.max(...sizes) <= MOST_HELD, `no buffer is larger than ${MOST_HELD} bytes: ${Math.max(...sizes)}`)
})
