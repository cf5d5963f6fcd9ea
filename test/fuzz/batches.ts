/** Random batches: every policy, every way to meet. */
import { digest, frame, receiverOpening } from '../fixtures/peer-frames.ts'
import type { Batch, PlainReceive, PlainSend, Session } from './batch.ts'
import { conversation, receiverSeeds } from './conversations.ts'
import { partsOf } from './corpus.ts'
import { mutate } from './mutate.ts'
import type { Random } from './random.ts'
import { sourceSets } from './senders.ts'

/** The size of the file for which a sender asks what the receiver has. */
const LARGE = 2_500_000

/** How often each kind is tried. A command takes as long to start as twenty receivers. */
const kinds: readonly string[] = [
  ...Array(20).fill('receiver'),
  ...Array(6).fill('receiver-dials'),
  ...Array(6).fill('receiver-stream'),
  ...Array(4).fill('receiver-plain'),
  ...Array(14).fill('sender'),
  ...Array(6).fill('sender-listens'),
  ...Array(8).fill('both'),
  ...['receiver-command', 'python-receiver', 'python-receiver', 'python-sender', 'python-sender'],
]

function sessionOf(said: Buffer, random: Random, mayStall = false): Session {
  const how = random.once(12) ? 'reset' : mayStall && random.once(20) ? 'stall' : 'finish'
  const cuts = Array.from({ length: random.below(4) }, () => random.below(said.length + 1)).sort((a, b) => a - b)
  return { said: said.toString('base64'), cuts, how }
}

function receiveOptions(random: Random): PlainReceive {
  const some = <T extends object>(times: number, options: T) => (random.once(times) ? options : {})
  return {
    timeout: 700,
    ifExists: random.pick(['backup', 'overwrite', 'skip', 'fail']),
    ...some(4, { allowHidden: true }),
    ...some(4, { allowUnverified: true }),
    ...some(8, { accept: random.pick([['text/plain'], ['image/*', 'application/octet-stream']]) }),
    ...some(8, { maxSize: random.pick([0, 100, 3000]) }),
    ...some(8, { maxFiles: random.pick([1, 3, 10]) }),
    ...some(8, { maxDepth: random.pick([1, 2, 3]) }),
    ...some(12, { textOnly: true }),
    ...some(10, { maxConnections: 2 }),
    ...some(4, { fileEvents: false }),
  }
}

/** What a receiver says: about right, early, or of any kind. `right` is what a good one would say. */
function answers(random: Random, right: Buffer): Buffer {
  const greeting = receiverGreeting(random)
  const ranges = random.pick([[], [0, LARGE], [1_048_576, LARGE], [0, 1024, 2_048_000, LARGE]])
  const wanted = greeting.includes('kept') ? frame('W', { entry: random.below(2), ranges }) : Buffer.alloc(0)
  const parts = partsOf({ grammar: 'receiver', bytes: Buffer.concat([greeting, wanted, right]) })
  if (random.once(4)) return Buffer.concat([parts.magic, ...[parts].map((all) => mutateNothing(all))])
  return mutate(random.once(4) ? random.pick(receiverSeeds) : parts, random.pick(receiverSeeds), random)
}

function mutateNothing({ frames }: ReturnType<typeof partsOf>): Buffer {
  const heads = frames.map(({ letter, payload }) => {
    const head = Buffer.from([letter, 0, 0, 0, 0])
    head.writeUInt32BE(payload.length, 1)
    return Buffer.concat([head, payload])
  })
  return Buffer.concat(heads)
}

function receiverGreeting(random: Random): Buffer {
  const fields = random.pick([
    '{"version":1,"features":["directories"]}',
    '{"version":1,"features":["directories","resume","kept"]}',
    '{"version":1,"features":["directories","brotli"]}',
    '{"version":1,"digest":"sha256"}',
  ])
  if (random.once(8)) return receiverOpening
  const head = Buffer.from([0x47, 0, 0, 0, fields.length])
  return Buffer.concat([Buffer.from('tcp-recv'), head, Buffer.from(fields)])
}

function damage(random: Random): Buffer {
  const flips = Buffer.alloc(5 * random.below(4))
  for (let at = 0; at < flips.length; at += 5) {
    flips.writeUInt32BE(random.pick([random.below(200), random.below(6000), random.below(2_600_000)]), at)
    flips[at + 4] = 1 + random.below(255)
  }
  return flips
}

/** @param right what a good receiver says to each number of sources, with BLAKE3 and with SHA-256 */
export function randomBatch(seed: number, random: Random, right: readonly Buffer[], only?: string): Batch {
  const kind = only ?? random.pick(kinds)
  const isInterrupted = random.once(10)
  const sources = random.below(sourceSets)
  // The pause before another try takes longer than a thousand batches.
  const retry = random.once(500) ? 1 : 0
  const compress = random.pick(['auto', 'always'] as const)
  const send: PlainSend = { timeout: 700, retry, compress, ...(random.once(4) ? { allowUnverified: true } : {}) }
  const session = (mayStall = false) => sessionOf(conversation(random), random, mayStall)
  switch (kind) {
    case 'receiver-plain': {
      const sessions = Array.from({ length: random.few(5) }, () => session())
      const expected = Buffer.from(sessions[0]?.said ?? '', 'base64')
      const expect = random.pick([{}, { blake3: digest(expected) }, { size: expected.length }, { size: 3 }])
      const name = random.pick([undefined, 'a.txt', 'taken.txt'])
      const receive = { timeout: 700, plain: true, expect, name, ifExists: random.pick(['backup', 'fail'] as const) }
      return { kind, seed, sessions, receive }
    }
    case 'receiver-stream':
    case 'receiver-dials':
    case 'python-receiver':
      return { kind, seed, sessions: [session()], receive: { ...receiveOptions(random), maxConnections: 8 } }
    case 'receiver-command':
    case 'receiver': {
      const sessions = Array.from({ length: 1 + random.below(12) }, () => session(true))
      return { kind, seed, sessions, receive: receiveOptions(random), isInterrupted }
    }
    case 'both': {
      const one = sessionOf(damage(random), random)
      const receive = { timeout: 700, ifExists: random.pick(['backup', 'overwrite'] as const) }
      const sessions = [{ ...one, cuts: [random.below(8000)] }]
      return { kind, seed, sources, send, receive, sessions }
    }
    default: {
      // A listening sender with a stream can send once.
      const number = kind === 'sender-listens' ? random.below(sourceSets - 1) : kind === 'python-sender' ? 0 : sources
      const count = kind === 'sender-listens' ? random.few(6) : 1
      const said = right[2 * number + random.below(2)] as Buffer
      const sessions = Array.from({ length: count }, () => sessionOf(answers(random, said), random, true))
      return { kind, seed, sources: number, send, sessions, isInterrupted }
    }
  }
}
