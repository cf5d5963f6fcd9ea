/** The reasons of refusals and aborts: the protocol document lists those that the source has, and says what they do. */
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { type ErrorCode, exitCodes, type Reason, reasons, TransferError } from '../../dist/errors.js'
import type { SendOptions } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { codeWords, documentTable } from '../fixtures/protocol-document.ts'
import { sourceFiles } from '../fixtures/source-files.ts'

const STATUS = 'exit status of `tcp-send`'
const rows = documentTable('reason', 'meaning')
const rowsSaidBy = (side: string) =>
  rows
    .filter((row) => row['said by'] === side || row['said by'] === 'both')
    .map(({ reason = '', [STATUS]: status }) => ({ reason: codeWords(reason)[0] as string, status: Number(status) }))

const refusals = rowsSaidBy('receiver')
const refusalReasons = refusals.map(({ reason }) => reason)
const abortReasons = rowsSaidBy('sender').map(({ reason }) => reason)

/** Reasons that an error or a warning on this side may have and no frame may carry. */
const localReasons = [
  'no-permissions',
  'same-name',
  'uncompressed',
  ...Object.keys(reasons).filter((name) => reasons[name as Reason].saidBy === 'nobody'),
]

t.test('shows the table of the source, row by row, but for the reasons that nobody says', async (t) => {
  const said = Object.entries(reasons).filter(([, { saidBy }]) => saidBy !== 'nobody')
  const expected = said.map(([reason, { meaning, code, saidBy }]) => ({
    reason: `\`${reason}\``,
    meaning,
    [STATUS]: saidBy === 'sender' ? '–' : `${exitCodes[code]}`,
    'said by': saidBy,
  }))
  t.strictSame(rows, expected)
  t.strictSame(localReasons, ['no-permissions', 'same-name', 'uncompressed', 'left-out', 'usage', 'connect', 'hook'])
})

/** Everything between the parenthesis that ends at `start` and the one that closes it. */
function argumentsAt(code: string, start: number): string {
  let depth = 1
  let place = start
  for (; depth > 0; place++) depth += { '(': 1, ')': -1 }[code[place] as string] ?? 0
  return code.slice(start, place - 1)
}

const quoted = (text: string) => [...text.matchAll(/'([a-z-]+)'/g)].map(([, word]) => word as string)

/** Every reason that the source gives an error, by name or, where it gives none, as the usual one of the error's code. */
function reasonsIn(code: string): string[] {
  const named = [...code.matchAll(/\brefusal\(\s*('[a-z-]+')|\breason: (?!fields|WarningEvent)([^,}\n]*)/g)].flatMap(
    ([found]) => quoted(found),
  )
  const unnamed = [...code.matchAll(/new TransferError\(/g)]
    .map((match) => argumentsAt(code, match.index + match[0].length))
    .filter((text) => !/\breason\b/.test(text))
    .map((text) => new TransferError(quoted(text)[0] as ErrorCode, '').reason)
  return [...named, ...unnamed]
}

t.test('lists every reason that an error of the source has, unless it stays on this side', async (t) => {
  const known = new Set([...refusalReasons, ...abortReasons, ...localReasons])
  // An event of a talk says `left` of somebody who has left politely.
  const used = sourceFiles('src', '.ts').flatMap(({ path, code }) =>
    reasonsIn(code).flatMap((reason) => (path.startsWith('src/chat/') && reason === 'left' ? [] : [{ path, reason }])),
  )
  t.ok(used.length > 25, 'reasons are found at all')
  t.strictSame(
    used.filter(({ reason }) => !known.has(reason)),
    [],
  )
  const unused = [...known].filter((listed) => !used.some(({ reason }) => reason === listed))
  t.strictSame(unused, [], 'and none that the source does not have')
})

/** Words that no receiver of this version says, so that they mean the same as `policy`. */
const notSaid = ['zebra', '__proto__', 'changed', 'magic', ...localReasons].map((reason) => ({ reason, status: 5 }))

t.test('says what each refusal of a file makes of the exit status of its sender', async (t) => {
  for (const { reason, status } of [...refusals, ...notSaid]) {
    const { port } = await listenAsPeer(t, async (peer) => {
      await peer.next('H')
      await peer.write(receiverOpening, frame('R', { entry: 0, reason, message: 'because' }))
      await peer.ended
      peer.finish()
    })
    const { error, events } = await trySend(t, port, [{ stream: new PassThrough().end('x'), name: 'a' }])
    t.match(error, { exitCode: status, reason, message: /because/ }, reason)
    t.match(events.of('done'), [{ exitCode: status, files: 0 }])
  }
})

t.test('says the same of a refusal of the whole transfer', async (t) => {
  for (const { reason, status } of [...refusals, ...notSaid]) {
    const { port } = await listenAsPeer(t, async (peer) => {
      await peer.next('H')
      await peer.write(receiverOpening, frame('R', { entry: null, reason, message: 'because' }))
      await peer.ended
      peer.finish()
    })
    const { error } = await trySend(t, port, [{ stream: new PassThrough().end('x'), name: 'a' }])
    t.match(error, { exitCode: status, reason, message: /because/ }, reason)
  }
})

/** The reason of the abort that a sender says to a receiver that says `opening` and nothing more. */
async function abortReason(
  t: Test,
  stream: PassThrough,
  options: Partial<SendOptions> & { opening?: Buffer; end?: boolean } = {},
): Promise<unknown> {
  const { opening = receiverOpening, end = false, ...sending } = options
  let tell: (reason: unknown) => void
  const reason = new Promise((resolve) => {
    tell = resolve
  })
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('H')
    await peer.write(opening)
    if (end) peer.finish()
    await peer.ended
    tell(peer.frames.find(({ type }) => type === 'A')?.fields.reason)
    peer.finish()
  })
  const { error } = await trySend(t, port, [{ stream, name: 'a' }], sending)
  t.ok(error, 'the sender fails')
  return await reason
}

t.test('lists the reason of every abort that a sender says', async (t) => {
  const input = () => new PassThrough().end('x')
  t.equal(await abortReason(t, input(), { expect: { size: 2 } }), 'size')
  t.equal(await abortReason(t, input(), { expect: { blake3: '0'.repeat(64) } }), 'digest')

  const failing = new PassThrough()
  const failure = Object.assign(new Error('the device is gone'), { code: 'EIO' })
  t.equal(
    await abortReason(t, failing, { onEvent: ({ event }) => event === 'progress' && failing.destroy(failure) }),
    'disk',
  )

  const controller = new AbortController()
  const interrupted = {
    signal: controller.signal,
    onEvent: ({ event }: { event: string }) => event === 'progress' && controller.abort(),
  }
  t.equal(await abortReason(t, new PassThrough(), interrupted), 'interrupted')

  const breach = frame('S', { entry: 0, name: 'a', bytes: 0, blake3: '0'.repeat(64) })
  t.equal(await abortReason(t, new PassThrough(), { opening: Buffer.concat([receiverOpening, breach]) }), 'protocol')
  for (const reason of ['size', 'digest', 'disk', 'interrupted', 'protocol']) {
    t.ok(abortReasons.includes(reason), reason)
  }
})

t.test('lists the reason of the abort of an input that was closed before its end', async (t) => {
  const stream = new PassThrough()
  t.equal(await abortReason(t, stream, { onEvent: ({ event }) => event === 'progress' && stream.destroy() }), 'disk')
})

t.test('lists the reason of the abort to a receiver that ends too early', async (t) => {
  t.equal(await abortReason(t, new PassThrough(), { end: true }), 'broken')
  t.ok(abortReasons.includes('broken'))
})

t.test('lists the reason of the abort to a peer that is no receiver', async (t) => {
  const opening = Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')
  t.equal(await abortReason(t, new PassThrough(), { opening }), 'magic')
  t.ok(abortReasons.includes('magic'))
})

t.test('lists the reason of the refusal of a sender that ends too early', async (t) => {
  const { port } = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, port)
  peer.finish(senderOpening, frame('H', { name: 'a', size: 5 }))
  const { fields } = await peer.next('R')
  t.match(fields, { entry: null, reason: 'broken' })
  t.ok(refusalReasons.includes('broken'))
})

t.test('lists the reason of the answer to a sender that gives up the transfer', async (t) => {
  const { port } = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, port)
  peer.finish(senderOpening, frame('A', { entry: null, reason: 'interrupted', message: 'enough' }))
  t.match((await peer.next('R')).fields, { entry: null, reason: 'aborted' })
  t.ok(refusalReasons.includes('aborted'))
})

t.test('takes the reason of an abort for what the sender says, and never for one of its own', async (t) => {
  const words = ['changed', 'skipped', 'magic', 'broken', 'busy', 'zebra']
  const folder = t.testdir(Object.fromEntries(words.map((reason) => [reason, {}])))
  const abortWith = async (reason: string) => {
    const { port, ended } = await startReceiver(t, { out: join(folder, reason), oneAttempt: true })
    const peer = await Peer.dial(t, port)
    const abort = frame('A', { entry: 0, reason, message: 'because' })
    peer.finish(senderOpening, frame('H', { name: 'a', size: 5 }), abort, frame('F', { entries: 1 }))
    const { error } = await ended
    t.match(error, { exitCode: 6, message: /because/ }, `nothing was stored, so ${reason} is no success`)
  }
  await Promise.all(words.map(abortWith))
})
