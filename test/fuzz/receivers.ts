/** Receivers in front of fuzzing senders: by the library, listening or dialling, into a folder or a stream; and the command. */
import { spawn } from 'node:child_process'
import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Writable } from 'node:stream'
import { exitCodes, type ReceiveOptions, receive, type TransferEvent } from '../../dist/index.js'
import { commandLine } from '../fixtures/commands.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { digest, type Frame, readFrames } from '../fixtures/peer-frames.ts'
import { type Batch, callProblems, type Place, type Session, saidOf, within } from './batch.ts'
import { type Whole, wholeEntries } from './conversations.ts'
import { folderProblems, prepare } from './folder-check.ts'

/** Waits for the other side to end, and then ends too. */
export async function closed(peer: Peer): Promise<void> {
  await within('a connection', peer.ended)
  peer.socket.destroy()
  await peer.closed
}

/** Says what the session says. Returns what the receiver answers. */
async function say(peer: Peer, session: Session): Promise<Buffer> {
  const said = saidOf(session)
  let at = 0
  for (const cut of [...session.cuts, said.length]) {
    void peer.write(said.subarray(at, cut))
    at = Math.max(at, cut)
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (session.how === 'finish') peer.finish()
  if (session.how === 'reset') await peer.reset()
  await closed(peer)
  return peer.received
}

/** The frames of an answer that is whole so far. */
export function framesIn(answer: Buffer): Frame[] {
  return answer.toString('latin1', 0, 8) === 'tcp-recv' ? readFrames(answer).frames : []
}

/** What was confirmed must have been sent whole, and be there. */
function answerProblems(answer: Buffer, wholes: readonly Whole[], out: string | null): string[] {
  const problems: string[] = []
  for (const { type, fields } of framesIn(answer)) {
    if (type === 'R' && fields.reason === 'internal') problems.push(`internal: ${fields.message}`)
    if (type !== 'S') continue
    const whole = wholes.find(({ number }) => number === fields.entry)
    if (!whole) problems.push('an entry was confirmed that was not sent whole')
    else if (fields.bytes !== whole.bytes || fields.blake3 !== whole.blake3)
      problems.push('the wrong facts were confirmed')
    const isThere = whole?.kind === 'message' || out === null || existsSync(join(out, String(fields.name)))
    if (!isThere) problems.push('a file was confirmed and is not there')
  }
  return problems
}

/** The entries that may be stored: unverified ones only if the policy says so. */
function allowed(sessions: readonly Session[], { allowUnverified = false }: Batch['receive'] & object): Whole[][] {
  return sessions.map((session) =>
    wholeEntries(saidOf(session)).filter(({ isVerified }) => isVerified || allowUnverified),
  )
}

/** Without the protocol, all bytes of a connection are one file. */
function plainEntries(sessions: readonly Session[]): Whole[] {
  return sessions.map((session, number) => {
    const content = saidOf(session)
    const one = { kind: 'file', bytes: content.length, blake3: digest(content), files: new Map<string, string>() }
    return { ...one, number, name: '', content, isVerified: false }
  })
}

export async function tryReceiver(batch: Batch, place: Place): Promise<string[]> {
  const out = prepare(place.root)
  const options = batch.receive ?? {}
  const events: TransferEvent[] = []
  const controller = new AbortController()
  let isListening: (port: number) => void = () => {}
  const listening = new Promise<number>((resolve) => {
    isListening = resolve
  })
  const onEvent = (event: TransferEvent) => {
    events.push(event)
    if (event.event === 'listening') isListening(event.port)
  }
  const streamed: Buffer[] = []
  const stream = new Writable({
    write(bytes, _, done) {
      streamed.push(Buffer.from(bytes))
      setImmediate(done)
    },
  })
  const isStream = batch.kind === 'receiver-stream'
  const common = { host: '127.0.0.1', ...options, out: isStream ? stream : out, signal: controller.signal, onEvent }
  let outcome: Promise<unknown>
  let answers: Buffer[]
  const run = (more: Partial<ReceiveOptions> & { port: number }) =>
    receive({ ...common, ...more }).then(
      () => null,
      (error) => error,
    )
  if (batch.kind === 'receiver-dials') {
    const answered: Promise<Buffer>[] = []
    const { port } = await listenAsPeer(place as never, (peer) => {
      answered.push(say(peer, batch.sessions[0] as Session))
    })
    outcome = run({ port, connect: true })
    await within('a receiver that dials', outcome)
    answers = await Promise.all(answered)
  } else {
    outcome = run({ port: 0 })
    const port = await Promise.race([listening, outcome.then(() => 0)])
    const sessions = batch.sessions.map(async (session) => say(await Peer.dial(place as never, port), session))
    if (batch.isInterrupted) setTimeout(() => controller.abort(), 5)
    answers = await Promise.all(sessions)
    controller.abort()
  }
  const error = await within('the end of a receiver', outcome)
  const problems = callProblems(events, error)
  const wholes = options.plain ? plainEntries(batch.sessions).map((one) => [one]) : allowed(batch.sessions, options)
  answers.forEach((answer, at) => {
    problems.push(...answerProblems(answer, wholes[at] ?? [], isStream ? null : out))
  })
  for (const event of events) {
    if (event.event !== 'stored' || isStream) continue
    if (!existsSync(event.path) && event.directory === undefined) problems.push('the path of an event is not there')
    if (event.directory === undefined && options.accept && !options.plain && event.files === undefined) {
      if (!options.accept.some((type) => type === event.type || type === `${event.type.split('/')[0]}/*`)) {
        problems.push('a type was stored that is not accepted')
      }
    }
    if (options.maxSize !== undefined && event.files === undefined && event.size > options.maxSize) {
      problems.push('a file was stored that is too large')
    }
  }
  if (isStream) return [...problems, ...streamProblems(events, Buffer.concat(streamed), wholes.flat())]
  if (options.textOnly && events.some(({ event }) => event === 'stored'))
    problems.push('text only, and a file was stored')
  if (options.plain) return [...problems, ...plainProblems(events, batch)]
  return [...problems, ...folderProblems(place.root, wholes.flat(), options.ifExists ?? 'backup')]
}

function streamProblems(events: readonly TransferEvent[], written: Buffer, wholes: readonly Whole[]): string[] {
  const stored = events.find((event) => event.event === 'stored' && event.directory === undefined)
  if (stored?.event !== 'stored' || stored.files !== undefined) return []
  return written.length === stored.size && wholes.some(({ content }) => content.equals(written))
    ? []
    : ['the stream has other bytes than were stored']
}

/** What was stored is what one connection has sent, to its end, and as expected. */
function plainProblems(events: readonly TransferEvent[], { sessions, receive: { expect } = {} }: Batch): string[] {
  const sent = sessions.filter(({ how }) => how === 'finish').map((session) => digest(saidOf(session)))
  const problems: string[] = []
  for (const event of events) {
    if (event.event !== 'stored') continue
    const blake3 = lstatSync(event.path).isFile() ? digest(readFileSync(event.path)) : ''
    // A file of the same name may have replaced it.
    if (!sent.includes(blake3)) problems.push('a plain file is not what was sent')
    if (event.verified && expect?.blake3 === undefined && expect?.size === undefined)
      problems.push('a plain file is called verified')
    if (expect?.blake3 !== undefined && event.blake3 !== expect.blake3) problems.push('a plain file is not as expected')
  }
  return problems
}

const flags: Record<string, string> = { ifExists: 'if-exists', maxSize: 'max-size', maxFiles: 'max-files' }
Object.assign(flags, { maxDepth: 'max-depth', allowHidden: 'allow-hidden', allowUnverified: 'allow-unverified' })
Object.assign(flags, { textOnly: 'text-only', maxConnections: 'max-connections', accept: 'accept' })

function argumentsOf(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const flag = flags[name]
    if (flag === undefined || value === false) return []
    if (value === true) return [`--${flag}`]
    return [value].flat().flatMap((one) => [`--${flag}`, String(one)])
  })
}

/** The same by the command. */
export async function tryReceiveCommand(batch: Batch, place: Place): Promise<string[]> {
  const out = prepare(place.root)
  const options = batch.receive ?? {}
  const where = ['--host', '127.0.0.1', '--port', '0', '--timeout', '1', '--json', '--out', out]
  const child = spawn(process.execPath, [...commandLine('tcp-recv'), ...where, ...argumentsOf(options)])
  place.teardown(() => void child.kill('SIGKILL'))
  const said = { stdout: '', stderr: '' }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const port = await within(
    'the start of tcp-recv',
    new Promise<number>((resolve) => {
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].on('data', (bytes) => {
          said[name] += bytes
          const found = /"event":"listening".*?"port":(\d+)/.exec(said.stdout)
          if (found) resolve(Number(found[1]))
        })
      }
      void ended.then(() => resolve(0))
    }),
  )
  const sessions = batch.sessions.map(async (session) => say(await Peer.dial(place as never, port), session))
  const answers = await Promise.all(sessions)
  child.kill('SIGTERM')
  const code = await within('the end of tcp-recv', ended)
  const problems: string[] = []
  if (!Object.values<number | null>(exitCodes).includes(code) || code === 1)
    problems.push(`tcp-recv exits ${code}: ${said.stderr}`)
  if (/internal|\n {4}at /.test(said.stderr)) problems.push(`tcp-recv says ${said.stderr.slice(0, 500)}`)
  const wholes = allowed(batch.sessions, options)
  answers.forEach((answer, at) => {
    problems.push(...answerProblems(answer, wholes[at] ?? [], out))
  })
  for (const line of said.stdout.split('\n').filter((one) => one !== '')) {
    const event = JSON.parse(line) as TransferEvent
    const isFile = event.event === 'stored' && event.directory === undefined
    if (isFile && !existsSync(join(out, basename(event.path)))) problems.push('the path of an event is not there')
  }
  return [...problems, ...folderProblems(place.root, wholes.flat(), options.ifExists ?? 'backup')]
}
