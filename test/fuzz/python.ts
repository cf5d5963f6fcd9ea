/**
 * The same conversation for our programs and for those of `fixtures/python`, which never change: both accept an entry,
 * or both refuse it, but for the differences that are listed here.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { receive, send } from '../../dist/index.js'
import { compressors } from '../../dist/net/compress.js'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, sha256 } from '../fixtures/peer-frames.ts'
import { referenceDecode } from '../fixtures/reference-decoder.ts'
import { type Batch, type Place, type Session, saidOf, within } from './batch.ts'
import { partsOf } from './corpus.ts'
import { framesIn } from './receivers.ts'

const pathOf = (name: string) => fileURLToPath(new URL(`../../fixtures/python/${name}.py`, import.meta.url))

/** Says all of it, and returns the answer. */
async function converse(peer: Peer, said: Buffer): Promise<Buffer> {
  peer.finish(said)
  await within('a conversation', peer.ended)
  peer.socket.destroy()
  return peer.received
}

/** The numbers of the entries that an answer confirms. */
function stored(answer: Buffer): Set<number> {
  return new Set(framesIn(answer).flatMap(({ type, fields }) => (type === 'S' ? [fields.entry as number] : [])))
}

async function pythonReceives(said: Buffer, place: Place, out: string): Promise<Set<number>> {
  const child = spawn('python3', [pathOf('recv'), '0', out], { stdio: ['ignore', 'ignore', 'pipe'] })
  place.teardown(() => void child.kill('SIGKILL'))
  const port = await new Promise<number>((resolve) => {
    let text = ''
    child.stderr.on('data', (bytes) => {
      text += bytes
      const found = /listening on (\d+)/.exec(text)
      if (found) resolve(Number(found[1]))
    })
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const answer = await converse(await Peer.dial(place as never, port), said)
  await within('recv.py', ended)
  return stored(answer)
}

async function weReceive(said: Buffer, place: Place, out: string): Promise<Set<number>> {
  const controller = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  const port = await new Promise<number>((resolve) => {
    const onEvent = (event: { event: string; port?: number }) => {
      if (event.event === 'listening') resolve(event.port as number)
    }
    const options = { port: 0, host: '127.0.0.1', out, ifExists: 'fail' as const, timeout: 2000 }
    running = receive({ ...options, signal: controller.signal, onEvent }).catch(() => {})
  })
  const answer = await converse(await Peer.dial(place as never, port), said)
  controller.abort()
  await running
  return stored(answer)
}

/** What is known of an entry that only one of the two receivers has stored. */
interface Facts {
  header: Record<string, unknown>
  /** The payload of its end. */
  end: Record<string, unknown>
  content: Buffer
  /** True if some of its data are compressed, or of an entry before it. */
  hasPieces: boolean
  /** True if a frame before the end of the entry is none that a JSON parser can read. */
  hasOddFrame: boolean
}

/** No sender asks a receiver that has not named the feature. */
const goesOn = ({ header }: Facts) => header.resume != null

/** Why Python may refuse what we store. */
const stricter: readonly [reason: string, applies: (facts: Facts) => boolean][] = [
  ['it computes only SHA-256', ({ end }) => !end.sha256],
  [
    'it knows no field that must be understood, not even !kind',
    ({ header }) => Object.keys(header).some((key) => key[0] === '!'),
  ],
  ['it knows no file that goes on', goesOn],
  ['it inflates nothing', ({ hasPieces }) => hasPieces],
  ['it takes fewer names', ({ header }) => !/^[\p{L}\p{N}_-][\p{L}\p{N}_. -]*$/u.test(String(header.name))],
  ['it reads every frame as JSON, also one that it could skip', ({ hasOddFrame }) => hasOddFrame],
  ['it compares the digest of the header as SHA-256 only', ({ end }) => Boolean(end.blake3 && end.header)],
]

/** Why we may refuse what Python stores. It checks neither order, nor limits, nor fields that it does not use. */
const laxer: readonly [reason: string, applies: (facts: Facts) => boolean][] = [
  ['it knows no file that goes on', goesOn],
  ['it does not compare BLAKE3', ({ end, content }) => end.blake3 != null && end.blake3 !== digest(content)],
  ['it ignores the size in the header', ({ header, content }) => header.size !== content.length],
  ['it takes names with a backslash', ({ header }) => String(header.name).includes('\\')],
]

/** The facts of each entry, as naively as Python reads them. */
function factsOf(said: Buffer): Facts[] {
  const all: Facts[] = []
  let [hasOddFrame, hasPieces] = [false, false]
  for (const { letter, payload } of partsOf({ grammar: 'sender', bytes: said }).frames) {
    const current = all.at(-1)
    if (letter === 0x44) {
      if (current) current.content = Buffer.concat([current.content, payload])
      continue
    }
    if (letter === 0x5a) {
      hasPieces = true
      if (current) current.hasPieces = true
      continue
    }
    let fields: Record<string, unknown> = {}
    try {
      fields = Object(JSON.parse(payload.toString()))
    } catch {
      hasOddFrame = true
    }
    if (letter === 0x48) all.push({ header: fields, end: {}, content: Buffer.alloc(0), hasPieces, hasOddFrame })
    if (letter === 0x45 && current) Object.assign(current, { end: fields, hasOddFrame })
  }
  return all
}

export async function tryPythonReceiver(batch: Batch, place: Place): Promise<string[]> {
  const said = saidOf(batch.sessions[0] as Session)
  const [ours, theirs] = ['ours', 'theirs'].map((name) => join(place.root, name)) as [string, string]
  for (const folder of [ours, theirs]) mkdirSync(folder)
  const mine = await weReceive(said, place, ours)
  const python = await pythonReceives(said, place, theirs)
  const { reason } = referenceDecode('sender', said, compressors)
  const all = factsOf(said)
  const problems: string[] = []
  for (const number of new Set([...mine, ...python])) {
    const facts = all[number]
    if (!facts || mine.has(number) === python.has(number)) continue
    const reasons = mine.has(number) ? stricter : laxer
    // A breach, of which Python notices few, ends our receiver, perhaps before its answers are read.
    const isExcused = (reason !== null && !mine.has(number)) || reasons.some(([, applies]) => applies(facts))
    if (!isExcused) problems.push(`only ${mine.has(number) ? 'we store' : 'Python stores'} an entry`)
  }
  const isFile = (number: number) => all[number]?.header['!kind'] !== 'message'
  if ([...mine].some(isFile) && readdirSync(ours).length === 0)
    problems.push('an entry was confirmed, and nothing is there')
  return problems
}

/** The same answers for both senders of one file, which either is confirmed or is not. */
export async function tryPythonSender(batch: Batch, place: Place): Promise<string[]> {
  const path = join(place.root, 'a.txt')
  const content = 'a small file'
  writeFileSync(path, content)
  const said = saidOf(batch.sessions[0] as Session)
  const [first] = partsOf({ grammar: 'receiver', bytes: said }).frames
  const greeting = 13 + (first?.payload.length ?? 0)
  const serve = async () => {
    const { port } = await listenAsPeer(place as never, async (peer) => {
      // Neither sender waits for more than the greeting before it has sent the end of its entry.
      void peer.write(said.subarray(0, greeting))
      await Promise.race([peer.next('E').catch(() => {}), peer.ended])
      peer.finish(said.subarray(greeting))
      await peer.ended
      peer.socket.destroy()
    })
    return port
  }
  const child = spawn('python3', [pathOf('send'), path, '127.0.0.1', String(await serve())], { stdio: 'ignore' })
  place.teardown(() => void child.kill('SIGKILL'))
  const python = new Promise<boolean>((resolve) => child.once('exit', (code) => resolve(code === 0)))
  const options = { host: '127.0.0.1', port: await serve(), sources: [path], timeout: 2000, retry: 0 }
  const mine = send(options).then(
    () => true,
    () => false,
  )
  const [isOurs, isTheirs] = await within('both senders', Promise.all([mine, python]))
  if (isOurs === isTheirs) return []
  const { reason, messages } = referenceDecode('receiver', said)
  const answers = messages.filter(({ frame }) => frame === 'stored' || frame === 'refused')
  const [answer] = answers
  const differences: [reason: string, applies: boolean][] = isOurs
    ? [
        ['Python wants SHA-256 in every answer', answer?.frame !== 'stored' || answer.sha256 === undefined],
        ['for ours the right BLAKE3 is enough', answer?.frame === 'stored' && answer.blake3 === digest(content)],
        ['Python takes a refusal of any entry for one of its own', answer?.frame === 'refused'],
        ['Python reads every frame as JSON, also one that it could skip', /[a-z]/.test(lettersOf(said))],
      ]
    : [
        ['Python notices no breach but one of JSON', reason !== null],
        ['Python looks neither at the number of the entry, nor its size, nor BLAKE3', !isRight(answer, content)],
        ['Python reads nothing after the first answer', answers.length > 1],
        ['Python needs no greeting, and no version in it', messages[0]?.frame !== 'greeting'],
        ['our sender may have sent the entry again, with another number', needsSha256(messages[0])],
      ]
  if (differences.some(([, applies]) => applies)) return []
  return [`only ${isOurs ? 'our sender' : 'the sender in Python'} takes a file for stored`]
}

function needsSha256(message: object | undefined): boolean {
  return (message as { digest?: string } | undefined)?.digest === 'sha256'
}

function lettersOf(said: Buffer): string {
  const { frames } = partsOf({ grammar: 'receiver', bytes: said })
  return String.fromCharCode(...frames.map(({ letter }) => letter))
}

function isRight(message: object | undefined, content: string): boolean {
  const right = { entry: 0, bytes: content.length, blake3: digest(content), sha256: sha256(content) }
  const said = (message ?? {}) as Record<string, unknown>
  return Object.entries(right).every(
    ([name, value]) => said[name] === value || (name === 'blake3' && said[name] === null),
  )
}
