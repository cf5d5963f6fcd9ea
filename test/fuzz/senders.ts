/** Senders in front of fuzzing receivers, and whole transfers over a network that damages what passes. */
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { receive, type SendOptions, send, type TransferEvent } from '../../dist/index.js'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, frame, readFrames, sha256 } from '../fixtures/peer-frames.ts'
import { damagedPort } from '../fixtures/proxy.ts'
import { referenceDecode } from '../fixtures/reference-decoder.ts'
import { type Batch, callProblems, type Place, type Session, saidOf, within } from './batch.ts'
import { listing } from './folder-check.ts'
import { closed } from './receivers.ts'

const files: Record<string, string | Buffer> = {
  'a.txt': 'a small file',
  'b.bin': Buffer.alloc(5000, 'b1'),
  c: '',
  'large.bin': Buffer.alloc(2_500_000, 'large'),
  'dir/one': '1',
  'dir/sub/two': Buffer.alloc(3000, '2'),
}

/** The entries of each number of sources. */
const sets: readonly (readonly string[])[] = [
  ['a.txt'],
  ['a.txt', 'b.bin', 'c'],
  ['large.bin'],
  ['dir'],
  ['dir', 'c'],
  ['text'],
  ['stream', 'a.txt'],
]

export const sourceSets = sets.length

export function makeSources(root: string, number: number): SendOptions['sources'] {
  const folder = join(root, 'sources')
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), content)
    utimesSync(join(folder, path), 1e9, 1e9)
  }
  symlinkSync('one', join(folder, 'dir', 'link'))
  return (sets[number] ?? []).map((name) => {
    if (name === 'text') return { text: 'hello' }
    return name === 'stream' ? { stream: Readable.from([Buffer.from('stream')]), name } : join(folder, name)
  })
}

/** What a good receiver answers to the frames of a sender. */
export function rightAnswers(received: Buffer, usesSha256: boolean): Buffer {
  let name = ''
  let data: Buffer[] = []
  let entry = -1
  const answers: Buffer[] = []
  for (const { type, fields, bytes } of readFrames(received).frames) {
    if (type === 'H') [name, data, entry] = [String(fields.name), [], entry + 1]
    if (type === 'D') data.push(bytes)
    if (type !== 'E') continue
    const content = Buffer.concat(data)
    const blake3 = fields.blake3 === undefined ? {} : { blake3: fields.blake3 }
    const digests = usesSha256 ? { ...blake3, sha256: sha256(content) } : blake3
    answers.push(frame('S', { entry, name, bytes: content.length, ...digests }))
  }
  return Buffer.concat(answers)
}

/** Answers as the session says: its greeting at once, the rest when the sender has said the frame `after`. */
async function answer(peer: Peer, session: Session): Promise<void> {
  const said = saidOf(session)
  const [greeting, ...cuts] = [...session.cuts, said.length]
  void peer.write(said.subarray(0, greeting))
  const after = ['F', 'E', 'H', 'G'][said.length % 8] ?? 'F'
  await Promise.race([peer.next(after).catch(() => {}), peer.ended])
  let at = greeting as number
  for (const cut of cuts) {
    void peer.write(said.subarray(at, cut))
    at = Math.max(at, cut)
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (session.how === 'finish') peer.finish()
  if (session.how === 'reset') await peer.reset()
  await closed(peer)
}

export async function trySender(batch: Batch, place: Place): Promise<string[]> {
  const events: TransferEvent[] = []
  let isListening: (port: number) => void = () => {}
  const listening = new Promise<number>((resolve) => {
    isListening = resolve
  })
  const onEvent = (event: TransferEvent) => {
    events.push(event)
    if (event.event === 'listening') isListening(event.port)
  }
  const sources = makeSources(place.root, batch.sources ?? 0)
  const controller = new AbortController()
  const run = (port: number) =>
    send({ host: '127.0.0.1', ...batch.send, port, sources, onEvent, signal: controller.signal }).then(
      () => null,
      (error) => error,
    )
  let outcome: Promise<unknown>
  if (batch.kind === 'sender-listens') {
    outcome = run(0)
    const port = await Promise.race([listening, outcome.then(() => 0)])
    await Promise.all(batch.sessions.map(async (session) => answer(await Peer.dial(place as never, port), session)))
    controller.abort()
  } else {
    const answered: Promise<void>[] = []
    const { port } = await listenAsPeer(place as never, (peer) => {
      answered.push(answer(peer, batch.sessions[0] as Session))
    })
    outcome = run(port)
    if (batch.isInterrupted) setTimeout(() => controller.abort(), 5)
    await within('a sender', outcome)
    await Promise.all(answered)
  }
  const error = await within('the end of a sender', outcome)
  return [...callProblems(events, error), ...sentProblems(events, error, batch)]
}

/** Nothing is sent that no receiver has confirmed with the right digest. */
function sentProblems(events: readonly TransferEvent[], error: unknown, batch: Batch): string[] {
  if (batch.send?.plain) return []
  const said = batch.sessions.map((session) => referenceDecode('receiver', saidOf(session)).messages)
  const problems: string[] = []
  const sent = events.filter((event) => event.event === 'sent' && event.directory === undefined)
  for (const event of sent) {
    if (event.event !== 'sent') continue
    const isConfirmed = said.some((messages) =>
      messages.some(
        (message) =>
          message.frame === 'stored' &&
          (message.blake3 === event.blake3 ||
            (message.blake3 === null && (!event.verified || message.sha256 !== undefined))),
      ),
    )
    if (!isConfirmed) problems.push('an entry counts as sent, and no receiver has confirmed it')
    if (!event.verified && !batch.send?.allowUnverified) problems.push('an entry that was not verified counts as sent')
  }
  const wanted = (sets[batch.sources ?? 0] ?? []).length
  if (error === null && sent.length < wanted) problems.push('a sender succeeds, and not everything was sent')
  return problems
}

/** A real sender and a real receiver. The session says what is damaged: pairs of a place and the bits that flip. */
export async function tryBoth(batch: Batch, place: Place): Promise<string[]> {
  const out = join(place.root, 'out')
  const session = batch.sessions[0] as Session
  const damage = saidOf(session)
  const sources = makeSources(place.root, batch.sources ?? 0)
  const [received, sent]: [TransferEvent[], TransferEvent[]] = [[], []]
  const controller = new AbortController()
  let port = 0
  let receiving: Promise<unknown> = Promise.resolve()
  await new Promise<void>((resolve) => {
    const onEvent = (event: TransferEvent) => {
      received.push(event)
      if (event.event === 'listening') port = event.port
      resolve()
    }
    const options = { host: '127.0.0.1', port: 0, out, ...batch.receive, signal: controller.signal, onEvent }
    receiving = receive(options).then(
      () => null,
      (error) => error,
    )
  })
  const change = (direction: string, bytes: Buffer, position: number): Buffer => {
    const changed = Buffer.from(bytes)
    for (let at = 0; at + 4 < damage.length; at += 5) {
      const place = damage.readUInt32BE(at) - position
      const bits = damage.readUInt8(at + 4)
      const isHere = place >= 0 && place < changed.length && direction === (bits & 1 ? 'to-receiver' : 'to-sender')
      if (isHere) changed[place] = (changed[place] as number) ^ bits
    }
    return changed
  }
  const cut = session.how === 'reset' ? { direction: 'to-receiver' as const, after: session.cuts[0] ?? 100 } : null
  const through = await damagedPort(place as never, port, cut ? { change, cut } : { change })
  const sending = send({
    host: '127.0.0.1',
    ...batch.send,
    port: through,
    sources,
    onEvent: (event) => sent.push(event),
  })
  const failing = sending.then(
    () => null,
    (failure) => failure,
  )
  const error = await within('a whole transfer', failing)
  controller.abort()
  const problems = [...callProblems(sent, error), ...callProblems(received, await within('its receiver', receiving))]
  const contents = [...Object.values(files), 'stream'].map((content) => digest(content))
  const found = listing(out)
  for (const [path, what] of found) {
    if (/^\.tcp-recv\/[^k]/.test(path)) problems.push('the staging folder is left')
    // The beginning of a file is kept with its description, of a directory only what is complete.
    else if (/^\.tcp-recv\/kept\/[^/]+\/(about|content)$/.test(path)) continue
    else if (what !== '/' && !what.startsWith('-> ') && !contents.includes(what))
      problems.push('a damaged file is there')
  }
  for (const event of sent) {
    if (event.event !== 'sent' || event.files !== undefined || event.name === 'message') continue
    if (event.verified && ![...found.values()].includes(event.blake3))
      problems.push('a file counts as sent and is not there')
  }
  return problems
}
