/** How listening ends, and what becomes then of who is still connected. The transfers are scripted. */
import t from 'tap'
import { TransferError } from '../../dist/errors.js'
import { Listener } from '../../dist/transfer/listener.js'
import { listenAsPeer } from '../fixtures/peer.ts'
import { broken, listenerOptions, scriptedRole, serving } from '../fixtures/scripted-service.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

t.test('tells everyone who is still connected that it is done, and waits until they have ended', async (t) => {
  const { connect, ended, role } = await serving(t, { count: 1 })
  const stray = await connect()
  stray.fail = (error) => void stray.failures.push(error)
  ;(await connect()).admit().end()
  t.equal(await stateOf(ended), 'pending', 'the stray one may hold something open')
  t.match(stray.failures, [{ code: 'refused', reason: 'busy' }])
  stray.end(broken())
  await ended
  t.equal(role.transfers[1]?.failures.length, 0, 'who has ended is not told')
})

t.test('ends every transfer when it is interrupted, with the reason for that', async (t) => {
  const { connect, ended, controller, clock } = await serving(t, { count: 3, wait: 5_000 })
  const transfers = [(await connect()).admit(), await connect()]
  const reason = new TransferError('terminated', 'terminated by SIGTERM')
  controller.abort(reason)
  t.equal(await ended.catch((error) => error), reason)
  for (const { failures } of transfers) t.strictSame(failures, [reason])
  t.equal(clock.timers, 0, 'nothing is left that would keep the process alive')
})

t.test('is interrupted before it listens', async (t) => {
  const signal = AbortSignal.abort()
  const events: string[] = []
  const onEvent = ({ event }: { event: string }) => void events.push(event)
  const service = new Listener({ ...listenerOptions, signal, onEvent }, scriptedRole())
  await t.rejects(service.run(), { code: 'interrupted', exitCode: 130 })
  t.strictSame(events, ['listening'])
})

t.test('works without a signal', async (t) => {
  const { connect, ended } = await serving(t, { count: 1, signal: undefined })
  ;(await connect()).admit().end()
  await t.resolves(ended)
})

t.test('says why it cannot listen', async (t) => {
  const { port } = await listenAsPeer(t, () => {})
  const options = { ...listenerOptions, port, onEvent: () => t.fail('it does not listen') }
  const message = /^cannot listen on 127\.0\.0\.1:\d+: something listens there already/
  await t.rejects(new Listener(options, scriptedRole()).run(), { code: 'connect', exitCode: 3, message })
})

t.test('refuses connections over the limit before they have run, and does not count them', async (t) => {
  const { connect, ended } = await serving(t, { count: 1, maxConnections: 2 })
  const [first, second] = [(await connect()).admit(), await connect()]
  const message = 'it has 2 connections already (--max-connections)'
  for (let number = 3; number <= 5; number++) {
    const refused = await connect()
    t.strictSame(refused.calls, ['fail', 'run'])
    t.match(refused.failures, [{ code: 'refused', reason: 'busy', message, peerMessage: message }])
  }
  t.strictSame([...first.calls, ...second.calls], ['run', 'run'], 'the others go on')
  second.end(broken())
  await settle()
  t.strictSame((await connect()).calls, ['run'], 'there is a place again')
  first.end()
  await ended
})

t.test('takes 256 connections at once unless told otherwise', async (t) => {
  const { connect, role } = await serving(t)
  for (let number = 1; number <= 257; number++) await connect()
  t.strictSame(
    role.transfers.filter(({ failures }) => failures.length > 0).map(({ connection }) => connection.transfer),
    [257],
  )
})

t.test('ends with a fault of its caller, and ends the others for it', async (t) => {
  const { connect, ended } = await serving(t)
  const other = await connect()
  const fault = new RangeError('the listener of events threw')
  ;(await connect()).crash(fault)
  await t.rejects(ended, { code: 'internal', exitCode: 1, cause: fault })
  t.match(other.failures, [{ code: 'internal' }])
})

t.test('returns the interruption that one of several transfers has reported', async (t) => {
  const reason = new TransferError('terminated', 'terminated by SIGTERM')
  const { connect, ended, controller } = await serving(t)
  for (const lastReported of [reason, broken()]) {
    const transfer = (await connect()).admit()
    transfer.fail = (error) => transfer.end(error, undefined, lastReported)
  }
  controller.abort(reason)
  t.equal(await ended, reason)
})

t.test(
  'throws the interruption that no transfer has reported, and returns the one that some transfer has',
  async (t) => {
    const reason = new TransferError('terminated', 'terminated by SIGTERM')
    const own = broken()
    for (const [failure, lastReported, isThrown] of [
      [own, own, true],
      [own, reason, false],
      [reason, reason, false],
    ] as const) {
      const { connect, ended, controller, role } = await serving(t, { count: 1 })
      role.spoiled = true
      const transfer = (await connect()).admit()
      transfer.fail = () => transfer.end(failure, undefined, lastReported)
      controller.abort(reason)
      const outcome = await ended.then(
        (returned) => ({ returned }),
        (thrown) => ({ thrown }),
      )
      t.strictSame(outcome, isThrown ? { thrown: reason } : { returned: reason })
    }
  },
)
