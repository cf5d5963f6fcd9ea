/** When a connection has stood still for too long: by a clock that a test moves, and a handle that says what has left. */
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { Patience } from '../../dist/net/patience.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'

const TIMEOUT = 1_000

/** A connection of which `queued` bytes have not left yet. */
function patient(t: Test, written: number) {
  const clock = fakePerformanceNow(t)
  let looks = 0
  const state = { queued: written }
  const handle = {
    bytesWritten: written,
    get writeQueueSize() {
      looks++
      return state.queued
    },
  }
  const socket = Object.assign(new Duplex(), { _handle: handle })
  const patience = new Patience(socket, TIMEOUT)
  /** Lets time pass as a channel does, which asks four times or more within the timeout; when it is over, or null. */
  const wait = (milliseconds: number, each = () => {}): number | null => {
    for (let passed = 100; passed <= milliseconds; passed += 100) {
      clock.pass(100)
      each()
      if (patience.isOver()) return passed
    }
    return null
  }
  return { patience, state, handle, wait, looks: () => looks }
}

t.test('is over when nothing has moved for all of the time', async (t) => {
  const { patience, wait } = patient(t, 500)
  patience.wrote(500, true)
  t.equal(wait(5_000), TIMEOUT)
})

t.test('begins anew with everything that moves', async (t) => {
  const { patience, wait } = patient(t, 0)
  for (let times = 0; times < 5; times++) {
    t.equal(wait(900), null)
    patience.moved()
  }
  t.equal(wait(5_000), TIMEOUT)
})

t.test('takes every byte that leaves for progress, however slow', async (t) => {
  const { patience, state, wait } = patient(t, 500)
  patience.wrote(500, true)
  t.equal(
    wait(20_000, () => state.queued--),
    null,
  )
  t.equal(wait(10_000), 100 + TIMEOUT, 'and all of the time from when the last one was seen')
})

t.test('asks only when nothing else has moved for a quarter of the time, and then each quarter', async (t) => {
  const { patience, wait, looks } = patient(t, 500)
  patience.wrote(500, true)
  for (let times = 0; times < 5; times++) {
    wait(200)
    patience.moved()
  }
  t.equal(looks(), 0)
  wait(900)
  t.equal(looks(), 3)
})

t.test('does not take for progress what had left before the last progress', async (t) => {
  const { patience, state, wait } = patient(t, 500)
  patience.wrote(500, true)
  wait(300)
  state.queued = 100
  patience.moved()
  t.equal(wait(5_000), TIMEOUT)
})

t.test('does not take a heartbeat that leaves for progress', async (t) => {
  const { patience, handle, state, wait } = patient(t, 500)
  patience.wrote(500, true)
  state.queued = 0
  const beat = () => {
    patience.wrote(7, false)
    handle.bytesWritten += 7
  }
  t.equal(wait(5_000, beat), TIMEOUT)
})

t.test('takes what is left of the last word for progress, also where heartbeats follow it', async (t) => {
  const { patience, handle, state, wait } = patient(t, 500)
  patience.wrote(500, true)
  const beat = () => {
    patience.wrote(7, false)
    handle.bytesWritten += 7
    // One byte leaves in the time in which seven are added.
    state.queued += 6
  }
  t.equal(wait(20_000, beat), null)
})
