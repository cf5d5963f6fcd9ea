/** What a receiver remembers, so that a sender can go on over another connection. */
import t from 'tap'
import type { TransferError } from '../../dist/index.js'
import { type Returning, Returns } from '../../dist/transfer/returns.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { settle, stateOf, until } from '../fixtures/turns.ts'

/** A session that ends when the test says so, or when it is told to fail. */
class Scripted implements Returning {
  readonly failures: TransferError[] = []
  readonly ended: Promise<void>
  end!: () => void
  motion = { idle: 0 }
  isLane = false
  readonly link = new AbortController()
  readonly signal = this.link.signal
  readonly #file: string

  constructor(file = '') {
    this.#file = file
    this.ended = new Promise((resolve) => {
      this.end = resolve
    })
  }

  isTaking(origin: string): boolean {
    return origin === this.#file
  }

  fail(error: TransferError): void {
    this.failures.push(error)
  }
}

const answer = { entry: 0, name: 'a', bytes: 1, blake3: 'x' }

t.test('a new connection of a transfer waits until the one before has ended', async (t) => {
  const returns = new Returns()
  const [first, second, third] = [new Scripted(), new Scripted(), new Scripted()]
  await returns.arrive('a', first)
  await returns.arrive('b', third)
  const arriving = returns.arrive('a', second)
  t.equal(await stateOf(arriving), 'pending')
  t.match(first.failures, [
    { code: 'incomplete', reason: 'broken', peerMessage: 'you went on over another connection' },
  ])
  first.end()
  await arriving
  t.strictSame([second.failures, third.failures], [[], []], 'nobody else is ended')
})

t.test('a connection that has become one of a bundle is not ended by the transfer over that bundle', async (t) => {
  const returns = new Returns()
  const [first, bundled, next] = [new Scripted(), new Scripted(), new Scripted()]
  await returns.arrive('a', first)
  first.isLane = true
  await returns.arrive('a', bundled)
  t.strictSame(first.failures, [])
  const arriving = returns.arrive('a', next)
  t.equal(bundled.failures.length, 1, 'the bundle itself is')
  bundled.end()
  await arriving
})

t.test('a connection that has ended is forgotten, and its successor is not', async (t) => {
  const returns = new Returns()
  const [first, second, third] = [new Scripted(), new Scripted(), new Scripted()]
  await returns.arrive('a', first)
  const arriving = returns.arrive('a', second)
  first.end()
  await arriving
  await settle()
  const next = returns.arrive('a', third)
  t.equal(second.failures.length, 1)
  second.end()
  await next
  third.end()
  await settle()
  await returns.arrive('a', new Scripted())
  t.strictSame(third.failures, [])
})

t.test(
  'whoever takes a file waits a moment for another one that has it, and ends it if it does not move',
  async (t) => {
    const returns = new Returns()
    const [gone, next] = [new Scripted('file'), new Scripted('file')]
    await returns.take('file', gone)
    gone.motion.idle = 3_001
    const taking = returns.take('file', next)
    await settle()
    t.strictSame(gone.failures, [], 'not yet')
    // The moment is real: three seconds.
    await until(() => gone.failures.length > 0)
    t.equal(await stateOf(taking), 'pending', 'it has to keep what it can')
    gone.end()
    await taking
    next.end()
    await settle()
    await returns.take('file', new Scripted('file'))
    t.strictSame(next.failures, [], 'it has ended by itself')
  },
)

t.test('whoever takes a file leaves alone another one that moves', async (t) => {
  const returns = new Returns()
  const [moving, next] = [new Scripted('file'), new Scripted('file')]
  moving.motion.idle = 3_000
  await returns.take('file', moving)
  const taking = returns.take('file', next)
  t.equal(await stateOf(taking), 'pending')
  // The wait ends with the connection that waits.
  next.link.abort()
  await taking
  t.strictSame(moving.failures, [])
})

t.test('whoever takes a file waits no longer than until the other one has ended by itself', async (t) => {
  const returns = new Returns()
  const [first, second, third] = [new Scripted('file'), new Scripted('file'), new Scripted('file')]
  await returns.take('file', first)
  const taking = returns.take('file', second)
  t.equal(await stateOf(taking), 'pending')
  first.end()
  await taking
  // Its connection has failed already, and it is at its last work, for as long as that takes.
  second.link.abort()
  const next = returns.take('file', third)
  third.link.abort()
  t.equal(await stateOf(next), 'pending')
  second.end()
  await next
  t.strictSame([...first.failures, ...second.failures], [])
})

t.test('whoever takes a file does not wait for one with another file, nor for itself', async (t) => {
  const returns = new Returns()
  const [busy, session] = [new Scripted('other'), new Scripted('file')]
  busy.motion.idle = 60_000
  await returns.take('file', busy)
  await returns.take('file', session)
  await returns.take('file', session)
  t.strictSame([busy.failures, session.failures], [[], []])
})

t.test('tells whether something is being taken that may be kept soon', async (t) => {
  const returns = new Returns()
  const session = new Scripted('me file')
  t.equal(returns.isTaking('me '), false)
  await returns.take('me file', session)
  t.equal(returns.isTaking('me '), true)
  t.equal(returns.isTaking('you '), false)
  session.end()
  await settle()
  t.equal(returns.isTaking('me '), false)
})

t.test('answers are found by transfer and entry, until many others have come', async (t) => {
  const returns = new Returns()
  returns.remember('a', 0, answer)
  returns.remember('b', 0, { ...answer, name: 'b' })
  t.match(returns.find('a', 0), { name: 'a' })
  t.match(returns.find('b', 0), { name: 'b' })
  t.equal(returns.find('a', 1), undefined)
  for (let id = 1; id < 16 * 1_024 - 1; id++) returns.remember('a', id, answer)
  returns.remember('a', 1, { ...answer, name: 'again' })
  t.match(returns.find('b', 0), { name: 'b' }, 'an answer that is repeated counts once')
  returns.remember('a', 16 * 1_024 - 1, answer)
  t.equal(returns.find('b', 0), undefined, 'the transfer that has rested longest goes first')
  t.match(returns.find('a', 0), { name: 'a' })
  returns.remember('a', 16 * 1_024, answer)
  t.equal(returns.find('a', 0), undefined, 'then the oldest answer of the only one')
  t.match(returns.find('a', 1), { name: 'again' })
})

t.test('answers are forgotten some minutes after the last one of their transfer', async (t) => {
  const clock = fakePerformanceNow(t)
  const returns = new Returns()
  returns.remember('a', 0, answer)
  clock.pass(4 * 60_000)
  returns.remember('b', 0, answer)
  returns.remember('a', 1, answer)
  clock.pass(4 * 60_000)
  returns.remember('c', 0, answer)
  t.match(returns.find('a', 0), { name: 'a' })
  clock.pass(2 * 60_000)
  returns.remember('c', 1, answer)
  t.equal(returns.find('a', 0), undefined)
  t.equal(returns.find('b', 0), undefined)
  t.match(returns.find('c', 0), { name: 'a' })
})
