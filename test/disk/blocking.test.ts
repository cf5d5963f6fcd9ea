import t from 'tap'
import { Blocking } from '../../dist/disk/blocking.js'
import { gate } from '../fixtures/gate.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { settle } from '../fixtures/turns.ts'

t.test('blocks from the start', async (t) => {
  t.equal(new Blocking().isQuick, true)
})

t.test('returns what the call returned, and throws what it threw', async (t) => {
  fakePerformanceNow(t)
  const blocking = new Blocking()
  t.equal(
    blocking.call(() => 42),
    42,
  )
  t.throws(
    () =>
      blocking.call(() => {
        throw new Error('from the call')
      }),
    { message: 'from the call' },
  )
  t.equal(blocking.isQuick, true)
})

t.test('goes on blocking while calls are quick', async (t) => {
  const clock = fakePerformanceNow(t)
  const blocking = new Blocking()
  for (let call = 0; call < 1000; call++) blocking.call(() => clock.pass(10))
  t.equal(blocking.isQuick, true)
})

t.test('stops blocking for ten times as long as a slow call has taken', async (t) => {
  const clock = fakePerformanceNow(t)
  for (const took of [11, 50, 4_000]) {
    const blocking = new Blocking()
    blocking.call(() => clock.pass(took))
    t.equal(blocking.isQuick, false)
    clock.pass(10 * took - 1)
    t.equal(blocking.isQuick, false)
    clock.pass(1)
    t.equal(blocking.isQuick, true)
  }
})

t.test('learns from a slow call that failed, too', async (t) => {
  const clock = fakePerformanceNow(t)
  const blocking = new Blocking()
  const slowFailure = () => {
    clock.pass(50)
    throw new Error('input/output error')
  }
  t.throws(() => blocking.call(slowFailure), { message: 'input/output error' })
  t.equal(blocking.isQuick, false)
})

t.test('measures the time that a call really takes', async (t) => {
  const blocking = new Blocking()
  blocking.call(() => {
    const start = performance.now()
    while (performance.now() - start < 20);
  })
  t.equal(blocking.isQuick, false)
})

t.test('does one long piece of work at a time, also after one that failed', async (t) => {
  const blocking = new Blocking()
  const gates = [gate(), gate(), gate()]
  const begun: number[] = []
  const works = gates.map((gate, index) =>
    blocking.queue(async () => {
      begun.push(index)
      await gate.opened
      if (index === 0) throw new Error('the first')
      return index
    }),
  )
  const [first, second, third] = works.map((work) => work.catch((error: Error) => error.message))
  await settle()
  t.strictSame(begun, [0])
  gates[0]?.open()
  t.equal(await first, 'the first')
  await settle()
  t.strictSame(begun, [0, 1])
  gates[1]?.open()
  gates[2]?.open()
  t.strictSame([await second, await third], [1, 2])
})
