/** The codes of refusals and aborts: those that the protocol document lists are those that the code sends and understands. */
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { frame, receiverOpening, senderOpening } from '../fixtures/peer-frames.ts'
import { codeWords, documentSection, documentTable } from '../fixtures/protocol-document.ts'
import { sourceFiles } from '../fixtures/source-files.ts'

const refusals = documentTable('code', 'meaning').map(({ code = '', 'exit status of `tcp-send`': status }) => ({
  code: codeWords(code)[0] as string,
  status: Number(status),
}))
const refusalCodes = refusals.map(({ code }) => code)

/** The codes of `A` that the document adds to those. */
const abortCodes = codeWords(documentSection('Frames of the receiver').split('Codes of `A`:')[1] ?? '')

/** Reasons that an error or a warning on this side may have and no frame may carry. */
const localReasons = ['aborted', 'connect', 'hook', 'local-file', 'no-permissions', 'usage']

/** Everything between the parenthesis that ends at `start` and the one that closes it. */
function argumentsAt(code: string, start: number): string {
  let depth = 1
  let place = start
  for (; depth > 0; place++) depth += { '(': 1, ')': -1 }[code[place] as string] ?? 0
  return code.slice(start, place - 1)
}

const quoted = (text: string) => [...text.matchAll(/'([a-z-]+)'/g)].map(([, word]) => word as string)

/** Every reason that the source gives an error, by name or, where it gives none, as the error's code. */
function reasonsIn(code: string): string[] {
  const named = [...code.matchAll(/\brefusal\(\s*('[a-z-]+')|\breason: (?!fields)([^,}\n]*)/g)].flatMap(([found]) =>
    quoted(found),
  )
  const unnamed = [...code.matchAll(/new TransferError\(/g)]
    .map((match) => argumentsAt(code, match.index + match[0].length))
    .filter((text) => !/\breason\b/.test(text))
    .map((text) => quoted(text)[0] as string)
  return [...named, ...unnamed]
}

t.test('lists every reason that an error of the source has, unless it stays on this side', async (t) => {
  const known = new Set([...refusalCodes, ...abortCodes, ...localReasons])
  const used = sourceFiles('src', '.ts').flatMap(({ path, code }) =>
    reasonsIn(code).map((reason) => ({ path, reason })),
  )
  t.ok(used.length > 25, 'reasons are found at all')
  t.strictSame(
    used.filter(({ reason }) => !known.has(reason)),
    [],
  )
  const unused = [...known].filter((code) => !used.some(({ reason }) => reason === code))
  t.strictSame(unused, [], 'and none that the source does not have')
})

t.test('says what each refusal of a file makes of the exit status of its sender', async (t) => {
  for (const { code, status } of [...refusals, { code: 'zebra', status: 5 }, { code: '__proto__', status: 5 }]) {
    const { port } = await listenAsPeer(t, async (peer) => {
      await peer.next('H')
      await peer.write(receiverOpening, frame('R', { entry: 0, code, reason: 'because' }))
      await peer.ended
      peer.finish()
    })
    const { error, events } = await trySend(t, port, [{ stream: new PassThrough().end('x'), name: 'a' }])
    t.match(error, { exitCode: status, reason: code, message: /because/ }, code)
    t.match(events.of('done'), [{ exitCode: status, files: 0 }])
  }
})

t.test('says the same of a refusal of the whole transfer', async (t) => {
  for (const { code, status } of [...refusals, { code: 'zebra', status: 5 }]) {
    const { port } = await listenAsPeer(t, async (peer) => {
      await peer.next('H')
      await peer.write(receiverOpening, frame('R', { entry: null, code, reason: 'because' }))
      await peer.ended
      peer.finish()
    })
    const { error } = await trySend(t, port, [{ stream: new PassThrough().end('x'), name: 'a' }])
    t.match(error, { exitCode: status, reason: code, message: /because/ }, code)
  }
})

/** The code of the abort that a sender says to a receiver that says `opening` and nothing more. */
async function abortCode(
  t: Test,
  stream: PassThrough,
  options: Partial<SendOptions> & { opening?: Buffer; end?: boolean } = {},
): Promise<unknown> {
  const { opening = receiverOpening, end = false, ...sending } = options
  let tell: (code: unknown) => void
  const code = new Promise((resolve) => {
    tell = resolve
  })
  const { port } = await listenAsPeer(t, async (peer) => {
    await peer.next('H')
    await peer.write(opening)
    if (end) peer.finish()
    await peer.ended
    tell(peer.frames.find(({ type }) => type === 'A')?.fields.code)
    peer.finish()
  })
  const { error } = await trySend(t, port, [{ stream, name: 'a' }], sending)
  t.ok(error, 'the sender fails')
  return await code
}

t.test('lists the code of every abort that a sender says', async (t) => {
  const known = [...abortCodes, ...refusalCodes]
  const input = () => new PassThrough().end('x')
  t.equal(await abortCode(t, input(), { expect: { size: 2 } }), 'size')
  t.equal(await abortCode(t, input(), { expect: { blake3: '0'.repeat(64) } }), 'digest')

  const failing = new PassThrough()
  const failure = Object.assign(new Error('the device is gone'), { code: 'EIO' })
  t.equal(
    await abortCode(t, failing, { onEvent: ({ event }) => event === 'progress' && failing.destroy(failure) }),
    'disk',
  )

  const controller = new AbortController()
  const interrupted = {
    signal: controller.signal,
    onEvent: ({ event }: { event: string }) => event === 'progress' && controller.abort(),
  }
  t.equal(await abortCode(t, new PassThrough(), interrupted), 'interrupted')

  const breach = frame('S', { entry: 0, name: 'a', bytes: 0, blake3: '0'.repeat(64) })
  t.equal(await abortCode(t, new PassThrough(), { opening: Buffer.concat([receiverOpening, breach]) }), 'protocol')
  for (const code of ['size', 'digest', 'disk', 'interrupted', 'protocol']) t.ok(known.includes(code), code)
})

t.test('lists the code of the abort of an input that was closed before its end', async (t) => {
  const stream = new PassThrough()
  t.equal(await abortCode(t, stream, { onEvent: ({ event }) => event === 'progress' && stream.destroy() }), 'disk')
})

t.test('lists the code of the abort to a receiver that ends too early', async (t) => {
  const code = await abortCode(t, new PassThrough(), { end: true })
  t.ok([...abortCodes, ...refusalCodes].includes(code as string), `${code}`)
})

t.test('lists the code of the abort to a peer that is no receiver', async (t) => {
  const code = await abortCode(t, new PassThrough(), { opening: Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n') })
  t.ok([...abortCodes, ...refusalCodes].includes(code as string), `${code}`)
})

t.test('lists the code of the refusal of a sender that ends too early', async (t) => {
  const { port } = await startReceiver(t, { out: t.testdir() })
  const peer = await Peer.dial(t, port)
  peer.finish(senderOpening, frame('H', { name: 'a', size: 5 }))
  const { fields } = await peer.next('R')
  t.match(fields, { entry: null })
  t.ok(refusalCodes.includes(fields.code as string), `${fields.code}`)
})

t.test('takes the code of an abort for what the sender says, and never for a reason of its own', async (t) => {
  const codes = ['changed', 'skipped', 'magic', 'broken', 'busy', 'zebra']
  const folder = t.testdir(Object.fromEntries(codes.map((code) => [code, {}])))
  const abortWith = async (code: string) => {
    const { port, ended } = await startReceiver(t, { out: join(folder, code), count: 1, timeout: 100 })
    const peer = await Peer.dial(t, port)
    const abort = frame('A', { entry: 0, code, reason: 'because' })
    peer.finish(senderOpening, frame('H', { name: 'a', size: 5 }), abort, frame('F', { entries: 1 }))
    const { error } = await ended
    t.match(error, { exitCode: 6, message: /because/ }, `nothing was stored, so ${code} is no success`)
  }
  await Promise.all(codes.map(abortWith))
})
