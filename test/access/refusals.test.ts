/** Many refusals of connections that never become a transfer: some are reported, the others counted. */
import { join } from 'node:path'
import t from 'tap'
import { Refusals, refusalLimits } from '../../dist/access/refusals.js'
import type { RefusedEvent, TransferEvent } from '../../dist/index.js'
import { fakeClock } from '../fixtures/clock.ts'
import { startReceiver, startSender, trySend } from '../fixtures/ends.ts'
import { gate } from '../fixtures/gate.ts'
import { key, otherKey } from '../fixtures/keys.ts'
import { Peer } from '../fixtures/peer.ts'
import { settle } from '../fixtures/turns.ts'

refusalLimits.reported = 10

const refused = (transfer: number): RefusedEvent => ({
  event: 'refused',
  transfer,
  peer: '192.0.2.7:1',
  code: 'key',
  reason: 'key',
  message: 'the key is another one',
})

/** Adds refusals, and keeps what is reported. */
function counting(answer: () => unknown = () => undefined) {
  const reported: TransferEvent[] = []
  const faults: unknown[] = []
  const onEvent = (event: TransferEvent) => {
    reported.push(event)
    return answer()
  }
  const refusals = new Refusals(onEvent, (fault) => faults.push(fault))
  let number = 0
  const add = (times: number) => {
    for (let time = 0; time < times; time++) refusals.add(refused(++number))
  }
  return { refusals, reported, faults, add }
}

t.test('reports ten in ten seconds, each as it is, and counts the others', async (t) => {
  const clock = fakeClock(t)
  const { refusals, reported, add } = counting()
  add(10)
  t.strictSame(
    reported,
    Array.from({ length: 10 }, (_, index) => refused(index + 1)),
  )
  add(3)
  clock.advance(9_999)
  t.equal(reported.length, 10)
  clock.advance(1)
  const message = 'the key is another one (2 others before it were only counted)'
  t.strictSame(reported.at(-1), { ...refused(13), message, others: 2 }, 'they are told when the period ends')
  add(9)
  t.strictSame(
    reported.slice(11),
    Array.from({ length: 9 }, (_, index) => refused(index + 14)),
  )
  add(2)
  t.equal(reported.length, 20, 'what was told at its start belongs to the new period')
  refusals.end()
  const last = 'the key is another one (1 other before it was only counted)'
  t.strictSame(reported.slice(20), [{ ...refused(24), message: last, others: 1 }], 'and at the end')
  t.equal(clock.timers, 0)
})

t.test('says nothing when there is nothing to say', async (t) => {
  const clock = fakeClock(t)
  const { refusals, reported, add } = counting()
  add(1)
  clock.advance(10_000)
  t.equal(clock.timers, 0)
  add(10)
  refusals.end()
  refusals.end()
  t.equal(reported.length, 11)
  t.notOk(reported.some((event) => 'others' in event))
})

t.test('only counts while nobody reads', async (t) => {
  const clock = fakeClock(t)
  const reading = gate()
  const { refusals, reported, add } = counting(() => reading.opened)
  add(1_000)
  for (let period = 0; period < 10; period++) clock.advance(10_000)
  add(1_000)
  t.strictSame(reported, [refused(1)])
  reading.open()
  await settle()
  t.match(reported.slice(1), [{ transfer: 2_000, others: 1_998 }], 'all of them are told in one event')
  refusals.end()
  t.equal(reported.length, 2)
})

t.test('tells the count at the end, even if nobody reads', async (t) => {
  fakeClock(t)
  const { refusals, reported, add } = counting(() => new Promise(() => {}))
  add(100)
  refusals.end()
  t.match(reported, [{ transfer: 1 }, { transfer: 100, others: 98 }])
})

t.test('hands on what is thrown, and goes on after output that is lost', async (t) => {
  const clock = fakeClock(t)
  let fault: Error | null = null
  const { faults, reported, add } = counting(() => {
    if (fault) throw fault
    return Promise.reject(new Error('lost'))
  })
  add(1)
  await settle()
  add(1)
  await settle()
  t.equal(reported.length, 2)
  fault = new RangeError('the listener of events threw')
  t.throws(() => add(1), fault)
  fault = null
  for (let time = 0; time < 8; time++) {
    add(1)
    await settle()
  }
  t.equal(reported.length, 10)
  t.strictSame(faults, [])
  fault = new RangeError('and again')
  clock.advance(10_000)
  t.strictSame(faults, [fault])
})

t.test('every kind of peer that a listener does not take is counted together', async (t) => {
  const clock = fakeClock(t)
  const folder = t.testdir({ file: 'text', out: {} })
  const receiver = await startReceiver(t, { out: join(folder, 'out'), key, count: 1 })
  const wrong = () => trySend(t, receiver.port, join(folder, 'file'), { key: otherKey })
  for (let time = 0; time < 4; time++) t.match((await wrong()).error, { code: 'key' })
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'tcp-send', '\x16 this is no TLS'].flatMap((text) => [
    text,
    text,
    text,
  ])) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(bytes)
    await peer.closed
  }
  await receiver.events.until('refused', 10)
  const reasons = receiver.events.of('refused').map(({ reason }) => reason)
  t.strictSame([...new Set(reasons)].sort(), ['key', 'magic'])
  t.match((await trySend(t, receiver.port, join(folder, 'file'), { key })).error, undefined)
  t.equal((await receiver.ended).error, undefined)
  const [last, ...more] = receiver.events.of('refused').slice(10)
  t.match(last, { transfer: 13, message: /\(2 others before it were only counted\)$/, others: 2 })
  t.strictSame(more, [])
  t.equal(clock.timers, 0)
})

t.test('a sender that listens counts as well, and what it takes is never counted', async (t) => {
  const clock = fakeClock(t)
  const file = join(t.testdir({ file: 'text' }), 'file')
  const sender = await startSender(t, [file])
  for (let time = 0; time < 12; time++) {
    const peer = await Peer.dial(t, sender.port)
    peer.finish('GET / HTTP/1.1\r\n\r\n')
    await peer.closed
  }
  t.equal(sender.events.of('failed').length, 10)
  clock.advance(10_000)
  t.match(sender.events.of('failed').slice(10), [{ transfer: 12, others: 1 }])
  await sender.stop()
})

t.test('ends when what it says about those that were counted throws', async (t) => {
  const clock = fakeClock(t)
  const fault = new RangeError('the listener of events threw')
  const onEvent = (event: TransferEvent) => {
    if ('others' in event) throw fault
  }
  const receiver = await startReceiver(t, { out: t.testdir(), allowFrom: [], onEvent })
  for (let time = 0; time < 12; time++) await (await Peer.dial(t, receiver.port)).ended
  clock.advance(10_000)
  t.match((await receiver.ended).error, { code: 'internal', cause: fault })
})
