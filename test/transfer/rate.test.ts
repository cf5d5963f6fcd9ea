/** The limit of a rate: when each piece may move. */
import fc from 'fast-check'
import t from 'tap'
import { Rate, rateOf } from '../../dist/transfer/rate.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'

const { signal } = new AbortController()

t.test('moves whole chunks, and few enough for a smooth rate', async (t) => {
  const property = fc.property(fc.integer({ min: 1024, max: 1e12 }), (limit) => {
    const { piece } = new Rate(limit)
    return piece % 1024 === 0 && piece > 0 && (piece === 1024 || piece * 40 <= limit)
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('never moves more than the limit and what was lost in the smooth time', async (t) => {
  const clock = fakePerformanceNow(t)
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 5_000 })), {
    minLength: 1,
    maxLength: 100,
  })
  const limit = 100_000
  const property = fc.property(steps, (steps) => {
    const rate = new Rate(limit)
    const start = performance.now()
    let moved = 0
    for (const [pause, length] of steps) {
      clock.pass(pause)
      // What has to wait is not taken here, and counts all the same.
      const waiting = rate.take(length, AbortSignal.abort())
      waiting?.catch(() => {})
      moved += length
      if (!waiting && moved > (limit / 1000) * (performance.now() - start + 50) + 1e-6) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test('waits until the time of a piece has come, and one after the other', async (t) => {
  const rate = new Rate(10_000)
  const start = performance.now()
  t.equal(rate.take(500, signal), undefined, 'what was not used in the last 50 ms')
  const [first, second] = [rate.take(1_000, signal), rate.take(1_000, signal)] as [Promise<void>, Promise<void>]
  const order: string[] = []
  await Promise.all([second.then(() => order.push('second')), first.then(() => order.push('first'))])
  t.strictSame(order, ['first', 'second'])
  t.ok(performance.now() - start >= 199)
})

t.test('ends the wait with the reason of the signal', async (t) => {
  const controller = new AbortController()
  const rate = new Rate(1024)
  const waiting = rate.take(100_000, controller.signal)
  controller.abort(new Error('it has failed'))
  await t.rejects(waiting as Promise<void>, { message: 'it has failed' })
})

t.test('is no limit without the option', async (t) => {
  t.equal(rateOf({}), undefined)
  t.equal(rateOf({ limit: Number.POSITIVE_INFINITY }), undefined)
  t.equal(rateOf({ limit: 1024 })?.piece, 1024)
})
