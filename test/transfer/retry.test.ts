/** When a side that has dialled connects again. */
import { join } from 'node:path'
import t from 'tap'
import { Retry } from '../../dist/transfer/retry.js'
import { fakeClock } from '../fixtures/clock.ts'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { type Cut, damagedPort } from '../fixtures/proxy.ts'

/** The pauses of a retry that always fails, each of which passes. */
function pauses(clock: { advance(milliseconds: number): void }, retry: Retry): number[] {
  const all: number[] = []
  for (let pause = retry.next(); pause !== null; pause = retry.next()) {
    all.push(pause)
    clock.advance(pause)
  }
  return all
}

t.test('pauses for 1, 3 and 9 seconds, and for 30 at most', async (t) => {
  const clock = fakeClock(t)
  const retry = new Retry(3, 0)
  t.equal(retry.tries, 0)
  t.strictSame(pauses(clock, retry), [1_000, 3_000, 9_000])
  t.equal(retry.tries, 3)
  t.strictSame(pauses(clock, new Retry(6, 0)), [1_000, 3_000, 9_000, 27_000, 30_000, 30_000])
})

t.test('begins anew after progress', async (t) => {
  const clock = fakeClock(t)
  const retry = new Retry(2, 0)
  t.strictSame([retry.next(), retry.next()], [1_000, 3_000])
  retry.reset()
  t.equal(retry.tries, 0)
  t.strictSame(pauses(clock, retry), [1_000, 3_000])
})

t.test('tries for as long as it waits for a connection, however few tries that are', async (t) => {
  const clock = fakeClock(t)
  const retry = new Retry(1, 60_000)
  t.strictSame(pauses(clock, retry), [1_000, 3_000, 9_000, 27_000, 30_000])
  retry.reset()
  t.strictSame(pauses(clock, retry), [1_000, 3_000, 9_000, 27_000, 30_000], 'the time begins anew, too')
})

t.test('never tries if it must not', async (t) => {
  t.equal(new Retry(0, 60_000).next(), null)
})

t.test('a connection that ends before a word of the receiver is one more try, if that is asked for', async (t) => {
  const root = t.testdir({ out: {}, 'file.txt': 'hello' })
  const receiver = await startReceiver(t, { out: join(root, 'out') })
  const cut = (connection: number): Cut | undefined =>
    connection === 0 ? { direction: 'to-receiver', after: 0 } : undefined
  const port = await damagedPort(t, receiver.port, { cut })
  t.match(await trySend(t, port, join(root, 'file.txt'), { retry: 1 }), { summary: { files: 1 } })
  const again = await damagedPort(t, receiver.port, { cut })
  const message = /it has not said a word/
  t.match(await trySend(t, again, join(root, 'file.txt')), { error: { code: 'incomplete', message } })
})
