/** Dialling for one transfer: how it begins, and how it is interrupted. */
import { getEventListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { TransferError } from '../../dist/errors.js'
import type { TransferEvent } from '../../dist/index.js'
import { call } from '../../dist/transfer/call.js'
import type { TransferResult } from '../../dist/transfer/session.js'
import { Events } from '../fixtures/ends.ts'
import { gate } from '../fixtures/gate.ts'
import { listenAsPeer } from '../fixtures/peer.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { unusedPlace } from '../fixtures/ports.ts'
import { stateOf } from '../fixtures/turns.ts'

const result: TransferResult = { admitted: true, files: 2, bytes: 30, failure: null, lastReported: null }

/** A transfer that moves. */
const motion = { idle: 0, hasBegun: true }

/** A listener to dial, and what `call` needs beside it. */
async function dialling(t: Test) {
  const { port } = await listenAsPeer(t, () => {})
  const [events, controller] = [new Events(), new AbortController()]
  const { signal } = controller
  const place = { host: '127.0.0.1', port, partner: 'receiver' as const }
  const options = { ...place, wait: 0, timeout: 60_000, stall: 3_600_000, signal, onEvent: events.add }
  const keep = (socket: Duplex) => t.teardown(() => socket.destroy())
  return { options, events, controller, keep }
}

t.test('dials once, says so, and gives back how the one transfer went', async (t) => {
  const { options, events, keep } = await dialling(t)
  const peer = `127.0.0.1:${options.port}`
  const returned = await call(options, ({ socket, more, ...connection }) => {
    keep(socket)
    t.match(more, { dialling: { rtt: Number } }, 'it can dial again for another connection')
    t.strictSame(connection, { transfer: 1, peer })
    t.match(events.all, [{ event: 'connected', transfer: 1, peer }], 'it is told before anything is done')
    return { motion, isLane: false, run: async () => result, fail: () => t.fail('nothing went wrong') }
  })
  t.equal(returned, result)
  t.match(events.all.at(-1), { event: 'ended', transfer: 1, files: 2, bytes: 30, complete: true, seconds: Number })
  t.strictSame(getEventListeners(options.signal, 'abort'), [], 'it no longer listens for an interruption')
})

t.test('throws what a listener of events threw, once the transfer has let go of everything', async (t) => {
  const { options, keep } = await dialling(t)
  const fault = new RangeError('the listener of events threw')
  const closing = gate()
  const calling = call(options, ({ socket }) => {
    keep(socket)
    return { motion, isLane: false, run: () => Promise.reject(fault), fail: () => {}, closed: closing.opened }
  })
  t.equal(await stateOf(calling), 'pending')
  closing.open()
  await t.rejects(calling, fault)
  t.strictSame(getEventListeners(options.signal, 'abort'), [], 'it no longer listens for an interruption')
})

for (const when of ['while it runs', 'in the moment of the connection']) {
  t.test(`ends the transfer when it is interrupted ${when}`, async (t) => {
    const { options, controller, keep } = await dialling(t)
    const reason = new TransferError('terminated', 'terminated by SIGTERM')
    const interruptAt = (moment: string) => {
      if (moment === when) controller.abort(reason)
    }
    const onEvent = () => interruptAt('in the moment of the connection')
    const returned = await call({ ...options, onEvent }, ({ socket }) => {
      keep(socket)
      let fail = (_failure: TransferError) => {}
      const failed = new Promise<TransferResult>((resolve) => {
        fail = (failure) => resolve({ ...result, failure })
      })
      const run = () => {
        interruptAt('while it runs')
        return failed
      }
      return { motion, isLane: false, run, fail }
    })
    t.equal(returned.failure, reason)
  })
}

for (const [partner, program] of [
  ['receiver', 'tcp-recv'],
  ['sender', 'tcp-send --listen'],
] as const) {
  t.test(`says once that it waits for a ${partner}, for how long and why`, async (t) => {
    const { options, events } = await dialling(t)
    const { host, port } = await unusedPlace()
    const place = { host, port: Number(port), partner, wait: 120 }
    const clock = fakePerformanceNow(t)
    const onEvent = (event: TransferEvent) => {
      events.add(event)
      clock.pass(120)
    }
    const failed = call({ ...options, ...place, onEvent }, () => t.fail('there is no connection') as never)
    const why = `cannot connect to ${host}:${port}: nothing listens there (is ${program} running?) (ECONNREFUSED)`
    await t.rejects(failed, { code: 'connect', message: why })
    const message = `${why}; trying again for up to 0.12 seconds`
    t.strictSame(events.all, [{ event: 'waiting', for: partner, seconds: 0.12, message }])
  })
}

t.test('starts nothing where it cannot connect', async (t) => {
  const { options, events } = await dialling(t)
  const { host, port } = await unusedPlace()
  const start = () => t.fail('there is no connection')
  await t.rejects(
    call({ ...options, host, port: Number(port) }, () => start() as never),
    { code: 'connect', exitCode: 3 },
  )
  t.strictSame(events.all, [])
})
