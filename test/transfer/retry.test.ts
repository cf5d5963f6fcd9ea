/** When a side that has dialled connects again. */
import t from 'tap'
import { Retry } from '../../dist/transfer/retry.js'
import { fakeClock } from '../fixtures/clock.ts'

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
