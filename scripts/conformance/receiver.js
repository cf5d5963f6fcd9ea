/** Judges a receiver: says each case to it over a connection of its own, and compares what it answers. */
import { connect } from 'node:net'
import { receiverCases } from './receiver-cases.js'
import { digestOf, frame, framesIn, saidIn, shown } from './wire.js'

/** A receiver that says nothing for so long is stuck. */
const PATIENCE_MS = 40_000
/** How long a receiver that takes one transfer and is started again may be away. */
const AWAY_MS = 20_000

/** Calls `tell(case, problems)` for each case. A problem is `{ text, lax }`. */
export async function checkReceiver({ host, port }, tell) {
  let number = 0
  const run = `conformance-${Date.now().toString(36)}`
  const newName = () => `${run}-${number++}`
  const greeting = Buffer.concat([Buffer.from('tcp-send'), frame('G', { version: 1 }), frame('F', { entries: 0 })])
  const first = read(await say(host, port, greeting))
  tell({ title: 'the greeting', section: 'Frames of the receiver' }, first.problem ? [{ text: first.problem }] : [])
  const algorithm = first.frames[0]?.fields.digest === 'sha256' ? 'sha256' : 'blake3'
  for (const one of await receiverCases(algorithm, newName)) {
    const { problem, frames } = read(await say(host, port, one.bytes))
    const problems = [
      ...(problem ? [{ text: problem, lax: one.transfer !== undefined }] : []),
      ...(await judge(one, frames, algorithm)),
    ]
    tell(one, problems)
  }
  const answer = (await say(host, port, saidIn('magic-mismatch', 'sender'))).toString('latin1')
  const plain = answer.startsWith('This is tcp-recv,') && /^[ -~]+\n$/.test(answer)
  const text = `it says ${shown(answer)}, not a line that begins with "This is tcp-recv,"`
  tell({ title: 'a browser', section: 'Invalid input' }, plain ? [] : [{ text, lax: true }])
}

/** Everything that the receiver answers to `bytes`, up to the end of the connection. */
async function say(host, port, bytes) {
  const until = Date.now() + AWAY_MS
  for (;;) {
    const said = await tryToSay(host, port, bytes)
    if (said !== undefined) return said
    if (Date.now() > until) throw new Error(`nobody listens at ${host}:${port}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function tryToSay(host, port, bytes) {
  return new Promise((resolve) => {
    const chunks = []
    let refused = false
    const socket = connect({ host, port, allowHalfOpen: true }, () => socket.end(bytes))
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', (error) => {
      // A receiver may reset a connection after a breach; what it has said before counts.
      refused = error.code === 'ECONNREFUSED'
    })
    socket.on('close', () => resolve(refused ? undefined : Buffer.concat(chunks)))
  })
}

/** The frames in an answer, and what is wrong with their form. */
function read(bytes) {
  if (bytes.subarray(0, 8).toString('latin1') !== 'tcp-recv') {
    return { frames: [], problem: `it begins with ${shown(bytes.subarray(0, 8).toString('latin1'))}, not "tcp-recv"` }
  }
  try {
    const { frames, rest } = framesIn(bytes.subarray(8))
    const unknown = frames.find(({ type }) => !/[GSRWIUBa-z]/.test(type))
    if (frames[0]?.type !== 'G') return { frames, problem: 'the first frame is no greeting' }
    if (frames[0].fields.version !== 1) return { frames, problem: 'the version in its greeting is not 1' }
    if (unknown) return { frames, problem: `it sends a frame of the type ${unknown.type}` }
    return { frames, problem: rest.length > 0 ? 'it ends inside a frame' : undefined }
  } catch (error) {
    return { frames: [], problem: error.message }
  }
}

async function judge(one, frames, algorithm) {
  const { stored = [], refused = {}, unanswered = [], transfer, lax = false, either, message } = one
  const problems = []
  const answers = frames.filter(({ type, fields }) => type === 'S' || (type === 'R' && fields.entry !== null))
  const toAll = frames.find(({ type, fields }) => type === 'R' && fields.entry === null)
  const sent = await sentEntries(one.bytes, algorithm)
  for (const { type, fields } of answers) {
    const { entry, name, bytes } = fields
    const expected = stored.includes(entry) || message === entry
    if (answers.filter((other) => other.fields.entry === entry).length > 1)
      problems.push({ text: `two answers for entry ${entry}` })
    if (unanswered.includes(entry)) problems.push({ text: `an answer for entry ${entry}, which was aborted` })
    if (type === 'S' && !expected) problems.push({ text: `entry ${entry} is stored`, lax })
    if (type === 'S' && expected) {
      if (bytes !== sent[entry]?.bytes) problems.push({ text: `S of entry ${entry} has ${shown(bytes)} bytes` })
      if (fields[algorithm] !== sent[entry]?.digest)
        problems.push({ text: `S of entry ${entry} has another ${algorithm}` })
      if (message === entry ? name !== '' : typeof name !== 'string' || name === '')
        problems.push({ text: `S names ${shown(name)}` })
    }
    if (type === 'R' && stored.includes(entry))
      problems.push({ text: `entry ${entry} is refused: ${shown(fields.message)}` })
    const reason = message === entry ? 'field' : refused[entry]
    if (type === 'R' && reason && fields.reason !== reason && fields.reason !== either) {
      problems.push({ text: `the reason is ${shown(fields.reason)}, not "${reason}"`, lax: true })
    }
  }
  const expected = [...stored, ...Object.keys(refused).map(Number), ...(message === undefined ? [] : [message])]
  for (const entry of expected) {
    if (answers.some(({ fields }) => fields.entry === entry)) continue
    if (toAll && refused[entry] && toAll.fields.reason === either) continue
    problems.push({ text: `entry ${entry} has no answer${toAll ? `: ${shown(toAll.fields.message)}` : ''}` })
  }
  if (transfer && !answers.some(({ type }) => type === 'S') && toAll?.fields.reason !== transfer) {
    problems.push({
      text: `no R with "${transfer}" and entry null${toAll ? `, but ${shown(toAll.fields.reason)}` : ''}`,
      lax: true,
    })
  }
  return problems
}

/** The size and digest of each entry that was sent. */
async function sentEntries(bytes, algorithm) {
  const entries = []
  for (const { type, payload } of framesBefore(bytes)) {
    if (type === 'H') entries.push([])
    if (type === 'D') entries.at(-1)?.push(payload)
  }
  return await Promise.all(
    entries.map(async (pieces) => {
      const data = Buffer.concat(pieces)
      return { bytes: data.length, digest: await digestOf(algorithm, data) }
    }),
  )
}

/** Some cases send what no frame may be; only the others have entries that are stored. */
function framesBefore(bytes) {
  try {
    return framesIn(bytes.subarray(8)).frames
  } catch {
    return []
  }
}
