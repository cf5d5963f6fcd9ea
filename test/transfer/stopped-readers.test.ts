/** Output that nobody reads: it holds up whoever causes it, or is dropped and counted, and never grows. */
import { Writable } from 'node:stream'
import t from 'tap'
import { Lines, Output } from '../../dist/cli/output.js'
import type { OnEvent, TransferEvent } from '../../dist/index.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { gate } from '../fixtures/gate.ts'
import { Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

const MAX_WAITING = 1024 * 1024

/** A stream whose reader has stopped until `read` is called. */
function stopped() {
  const written: string[] = []
  const reading = gate()
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      written.push(String(chunk))
      void reading.opened.then(() => done())
    },
  })
  return { stream, written, read: reading.open }
}

t.test('output for programs is waited for beyond a bound, and nothing of it is lost', async (t) => {
  const { stream, written, read } = stopped()
  const output = new Output(stream, 1)
  const text = 'x'.repeat(MAX_WAITING / 2)
  output.write(text)
  output.write(text)
  t.equal(output.drained, undefined)
  output.write('y')
  const drained = output.drained as Promise<void>
  t.equal(output.drained, drained, 'everyone waits for the same')
  t.equal(await stateOf(drained), 'pending')
  read()
  await drained
  t.equal(output.drained, undefined)
  t.equal(written.join(''), `${text}${text}y`)
})

t.test('whoever waits for output goes on when it is lost', async (t) => {
  const { stream, read } = stopped()
  const output = new Output(stream, 1)
  output.write('x'.repeat(MAX_WAITING + 1))
  const drained = output.drained as Promise<void>
  stream.destroy(new Error('the reader has gone'))
  read()
  await drained
  await settle()
  t.match(output.failure, { code: 'local-file', reason: 'output' })
})

t.test('lines for people are dropped beyond a bound, and their number is said', async (t) => {
  const { stream, written, read } = stopped()
  const lines = new Lines(stream)
  lines.write(`${'x'.repeat(MAX_WAITING)}\n`)
  for (const line of ['one\n', 'two\n', 'three\n']) lines.write(line)
  t.ok(stream.writableLength <= MAX_WAITING + 1)
  read()
  await until(() => stream.writableLength === 0)
  lines.write('after\n')
  await until(() => stream.writableLength === 0)
  const said = '(3 lines left out here, because nobody read them)\n'
  t.strictSame(written.filter((text) => text !== '').slice(1), [said, 'after\n'])
})

t.test('one line that was dropped is one line', async (t) => {
  const { stream, written, read } = stopped()
  const lines = new Lines(stream)
  lines.write('x'.repeat(MAX_WAITING + 1))
  lines.write('one\n')
  read()
  await until(() => stream.writableLength === 0)
  t.equal(written.at(-1), '(1 line left out here, because nobody read them)\n')
})

t.test('a receiver whose events cannot be taken holds up the sender, and goes on when they can', async (t) => {
  const drained = gate()
  const stored: string[] = []
  const onEvent: OnEvent = (event: TransferEvent) => {
    if (event.event === 'stored') stored.push(event.name)
    return event.event === 'stored' ? drained.opened : undefined
  }
  const receiver = await startReceiver(t, { out: t.testdir(), onEvent })
  const peer = await Peer.dial(t, receiver.port)
  const files = ['a', 'b', 'c'].flatMap((name) => entryFrames(name, name))
  peer.finish(senderOpening, ...files, frame('F', { entries: 3 }))
  await peer.next('S')
  await peer.next('B')
  t.strictSame(stored, ['a'])
  drained.open()
  await receiver.events.until('ended')
  t.strictSame(stored, ['a', 'b', 'c'])
  await receiver.stop()
})

for (const [what, tree] of [
  ['file', 'content'],
  ['directory', { a: 'a', b: 'b' }],
] as const) {
  t.test(`a receiver reads the end although the last event, of a ${what}, is not taken yet`, async (t) => {
    const ended = gate()
    const onEvent: OnEvent = (event: TransferEvent) => {
      if (event.event === 'ended') ended.open()
      return event.event === 'stored' && event.directory === undefined ? ended.opened : undefined
    }
    const folder = t.testdir({ out: {}, it: tree })
    const receiver = await startReceiver(t, { out: `${folder}/out`, onEvent })
    t.equal((await trySend(t, receiver.port, [`${folder}/it`])).error, undefined)
    await receiver.events.until('ended')
    t.match(receiver.events.of('ended'), [{ complete: true }])
    await receiver.stop()
  })
}

t.test('a receiver whose events are never taken can be stopped', async (t) => {
  const onEvent: OnEvent = ({ event }) => (event === 'refused' ? new Promise<void>(() => {}) : undefined)
  const receiver = await startReceiver(t, { out: t.testdir(), onEvent })
  const peer = await Peer.dial(t, receiver.port)
  const refused = [frame('H', { name: '../x', size: null }), frame('A', { entry: 0, reason: 'x', message: 'no' })]
  await peer.write(senderOpening, ...refused, frame('H', { name: '../y', size: null }))
  await receiver.events.until('refused')
  await settle()
  const { error } = await receiver.stop()
  t.match(error, { code: 'interrupted' })
  t.equal(receiver.events.of('refused').filter(({ name }) => name === '../y').length, 0)
})

t.test('a sender whose events cannot be taken begins no other file', async (t) => {
  const drained = gate()
  const receiver = await startReceiver(t, { out: t.testdir(), fileEvents: false })
  const folder = t.testdir({ a: 'a', b: 'b' })
  const begun: string[] = []
  const onEvent: OnEvent = (event: TransferEvent) => {
    if (event.event !== 'progress') return undefined
    begun.push(event.name)
    return drained.opened
  }
  const sending = trySend(t, receiver.port, [`${folder}/a`, `${folder}/b`], { onEvent })
  await until(() => begun.length > 0)
  await settle(50)
  t.ok(begun.every((name) => name === 'a'))
  drained.open()
  t.match((await sending).summary, { files: 2 })
  await receiver.stop()
})

t.test('a receiver waits for its hooks before too many of them wait', async (t) => {
  const running = gate()
  const receiver = await startReceiver(t, { out: t.testdir(), afterStored: () => running.opened })
  const peer = await Peer.dial(t, receiver.port)
  const names = Array.from({ length: 150 }, (_, index) => `f${index}`)
  peer.finish(senderOpening, ...names.flatMap((name) => entryFrames(name, '')), frame('F', { entries: 150 }))
  await receiver.events.until('stored', 101)
  await peer.next('B')
  t.equal(receiver.events.of('stored').length, 101)
  running.open()
  await receiver.events.until('stored', 150)
  await receiver.events.until('ended')
  await receiver.stop()
})
