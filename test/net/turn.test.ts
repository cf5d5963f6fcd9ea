/** Turns: how much a connection does before the others come first, whatever it is that it does. */
import t, { type Test } from 'tap'
import { giveBack, takeMemory } from '../../dist/net/memory.js'
import { onAccepted, Turn } from '../../dist/net/turn.js'
import { gate } from '../fixtures/gate.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const none = { before: () => {} }

// Two connections, so that none is alone.
const [own, shared] = [takeMemory(), takeMemory()]

/** A connection with two hundred messages, each of which takes `cost` milliseconds. */
function busy(t: Test, clock: ReturnType<typeof fakePerformanceNow>, cost: number, wait?: () => Promise<void>) {
  const turn = new Turn()
  turn.begin(0)
  const state = { done: 0, before: 0, after: 0 }
  const take = () => {
    state.done++
    clock.pass(cost)
    return wait?.()
  }
  const waits = { before: () => void state.before++, after: () => void state.after++ }
  const working = turn.work(Array(200).fill('message').values(), take, waits)
  t.teardown(() => working)
  return state
}

t.test('does everything at once that fits into a turn', async (t) => {
  const clock = fakePerformanceNow(t)
  const state = busy(t, clock, 0.000_5)
  t.strictSame(state, { done: 200, before: 0, after: 0 })
})

t.test('ends a turn after a millisecond of work, in small pieces or large', async (t) => {
  const clock = fakePerformanceNow(t)
  for (const [cost, most] of [
    [0.01, 101],
    [0.3, 4],
    [7, 1],
  ] as const) {
    const state = busy(t, clock, cost)
    t.ok(state.done <= most, `${state.done} of ${cost} ms`)
    t.equal(state.before, 1)
    t.equal(state.after, 0)
    await settle(2)
    t.ok(state.after > 0, 'and goes on in the next one')
    while (state.done < 200) await settle(1)
  }
})

t.test('gives one of those that wait a turn in each round of the event loop, in their order', async (t) => {
  const clock = fakePerformanceNow(t)
  const all = Array.from({ length: 5 }, () => busy(t, clock, 7))
  for (let round = 0; round < 10; round++) {
    const before = all.map(({ done }) => done)
    await settle(1)
    const moved = all.flatMap(({ done }, index) => (done > (before[index] as number) ? [index] : []))
    t.strictSame(moved, [round % 5])
  }
  while (all.some(({ done }) => done < 200)) await settle(1)
})

t.test('lets others in between messages that wait for nothing but a promise', async (t) => {
  const clock = fakePerformanceNow(t)
  const state = busy(t, clock, 0, async () => {})
  await settle(1)
  t.ok(state.done <= 11, `${state.done}`)
  while (state.done < 200) await settle(1)
})

t.test('counts what was read as work, too', async (t) => {
  fakePerformanceNow(t)
  const turn = new Turn()
  turn.begin(1024 * 1024)
  t.equal(turn.check(), undefined)
  turn.begin(1024 * 1024)
  const next = turn.check() as Promise<void>
  t.equal(await stateOf(next), 'resolved')
  turn.begin(1024 * 1024)
  t.equal(turn.check(), undefined, 'a new turn begins with nothing')
})

t.test('does nothing more after a wait that ends with an error', async (t) => {
  const clock = fakePerformanceNow(t)
  const turn = new Turn()
  turn.begin(0)
  let done = 0
  const take = () => {
    done++
    clock.pass(2)
  }
  const after = () => {
    throw new Error('it has failed meanwhile')
  }
  const working = turn.work([1, 2, 3].values(), take, { ...none, after }) as Promise<void>
  await t.rejects(working, { message: 'it has failed meanwhile' })
  t.equal(done, 1)
})

t.test('waits for a message as long as it takes', async (t) => {
  fakePerformanceNow(t)
  const turn = new Turn()
  const [first, second] = [gate(), gate()]
  let done = 0
  const working = turn.work([first, second].values(), ({ opened }) => opened.then(() => void done++), none)
  t.equal(await stateOf(working as Promise<void>), 'pending')
  first.open()
  await settle()
  t.equal(done, 1)
  second.open()
  await working
  t.equal(done, 2)
})

t.test('gives a connection that is alone a longer turn, which ends as well', async (t) => {
  giveBack(shared, true)
  giveBack(own, true)
  const clock = fakePerformanceNow(t)
  const state = busy(t, clock, 0.3)
  t.ok(state.done > 30 && state.done <= 34, `${state.done}`)
  await settle(2)
  t.ok(state.after > 0, 'and goes on in the next one')
  takeMemory()
  takeMemory()
  const before = state.done
  await settle(1)
  t.ok(state.done <= before + 4, 'no longer alone')
  while (state.done < 200) await settle(1)
})

t.test('leaves rounds to connections that are accepted, but not all of them', async (t) => {
  const clock = fakePerformanceNow(t)
  const state = busy(t, clock, 7)
  // One is accepted in each round, and each takes half a millisecond.
  const accept = () => {
    onAccepted()
    clock.pass(0.5)
  }
  accept()
  await settle(1)
  const before = state.done
  for (let round = 0; round < 4; round++) {
    accept()
    await settle(1)
  }
  t.ok(state.done <= before + 1, 'others come first')
  for (let round = 0; round < 20; round++) {
    accept()
    await settle(1)
  }
  t.ok(state.done > before + 1, 'but not for ever')
  const last = state.done
  await settle(1)
  await settle(1)
  t.ok(state.done >= last + 1, 'and only while they come')
  while (state.done < 200) await settle(1)
})

t.test('gives a connection that was alone short turns as soon as another one is accepted', async (t) => {
  const clock = fakePerformanceNow(t)
  giveBack(shared, true)
  onAccepted()
  clock.pass(10)
  const soon = busy(t, clock, 0.3)
  t.ok(soon.done <= 4, `${soon.done} soon after it`)
  while (soon.done < 200) await settle(1)
  clock.pass(100)
  const later = busy(t, clock, 0.3)
  t.ok(later.done > 30, `${later.done} later`)
  while (later.done < 200) await settle(1)
})
