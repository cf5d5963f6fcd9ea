/** Listening for either command: who counts and who is waited for. The transfers are scripted. */
import { getEventListeners } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { refusal, TransferError } from '../../dist/errors.js'
import type { TransferEvent } from '../../dist/events.js'
import { broken, serving, TIMEOUT } from '../fixtures/scripted-service.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

t.test('numbers the connections, and says who is at their other end', async (t) => {
  const { connect } = await serving(t)
  for (const number of [1, 2, 3]) {
    const { connection } = await connect()
    t.equal(connection.transfer, number)
    t.equal(connection.peer, `127.0.0.1:${(connection.socket as Socket).remotePort}`)
  }
})

t.test('ends after so many successful transfers, with the sum of all', async (t) => {
  const { connect, ended, service, clock } = await serving(t, { count: 2 })
  ;(await connect()).admit().end(null, { files: 3, bytes: 70 })
  ;(await connect()).admit().end(broken(), { files: 1, bytes: 5 })
  t.equal(await stateOf(ended), 'pending')
  ;(await connect()).admit().end(null, { files: 1, bytes: 7 })
  await ended
  t.strictSame([service.files, service.bytes], [5, 82], 'what a broken transfer stored is stored')
  t.equal(clock.timers, 0)
})

t.test('says how each transfer ended, and nothing of who was no partner', async (t) => {
  const said: TransferEvent[] = []
  const onEvent = (event: TransferEvent) => {
    if (event.event === 'ended') said.push(event)
  }
  const { connect } = await serving(t, { onEvent })
  ;(await connect()).end(broken())
  ;(await connect()).admit().end(null, { files: 3, bytes: 70 })
  ;(await connect()).admit().end(broken(), { files: 1, bytes: 5 })
  await settle()
  t.match(said, [
    { transfer: 2, files: 3, bytes: 70, complete: true, seconds: 0 },
    { transfer: 3, files: 1, bytes: 5, complete: false, seconds: 0 },
  ])
  t.equal(said.length, 2)
})

t.test('no longer listens for an interruption when it has ended', async (t) => {
  const { connect, ended, controller } = await serving(t, { count: 1 })
  ;(await connect()).admit().end()
  await ended
  t.strictSame(getEventListeners(controller.signal, 'abort'), [])
})

t.test('never ends by itself when it does not count', async (t) => {
  const { connect, ended } = await serving(t)
  for (let number = 0; number < 5; number++) (await connect()).admit().end()
  t.equal(await stateOf(ended), 'pending')
})

t.test('does not count, and does not wait for, who was no partner', async (t) => {
  const { connect, ended, clock } = await serving(t, { count: 1 })
  for (const failure of [null, broken(), refusal('name', 'no such name')]) (await connect()).end(failure)
  await settle()
  t.equal(clock.timers, 0, 'nothing is waited for')
  t.equal(await stateOf(ended), 'pending')
})

t.test('waits after a refusal as after a break, and ends with it', async (t) => {
  const { connect, ended, clock } = await serving(t, { count: 1, wait: 5_000 })
  const failure = refusal('exists', 'it is there')
  ;(await connect()).admit().end(failure)
  await settle()
  clock.advance(TIMEOUT - 1)
  t.equal(await stateOf(ended), 'pending')
  clock.advance(1)
  const message = 'the sender was refused: it is there; no sender came back within 30 seconds'
  await t.rejects(ended, { code: 'refused', exitCode: 5, reason: 'exists', message, cause: failure })
})

t.test('is content with one that comes after the one that was refused', async (t) => {
  const { connect, ended } = await serving(t, { count: 1 })
  ;(await connect()).admit().end(refusal('exists', 'it is there'))
  ;(await connect()).admit().end()
  await t.resolves(ended)
})

t.test('says each time that it waits for another try, for whom and how long', async (t) => {
  const events: TransferEvent[] = []
  const onEvent = (event: TransferEvent) => void events.push(event)
  const { connect, clock } = await serving(t, { count: 1, onEvent })
  const waiting = () => events.filter(({ event }) => event === 'waiting')
  ;(await connect()).end(broken())
  await settle()
  t.strictSame(waiting(), [], 'what was no partner is not waited for')
  const message = 'waiting up to 30 seconds for a sender to try again'
  const said = { event: 'waiting', for: 'sender', seconds: 30, message }
  ;(await connect()).admit().end(broken())
  await settle()
  t.strictSame(waiting(), [said])
  clock.advance(TIMEOUT - 1)
  ;(await connect()).admit().end(refusal('exists', 'it is there'))
  await settle()
  t.strictSame(waiting(), [said, said])
})

t.test('waits for nobody after a failure when it does not count', async (t) => {
  const events: string[] = []
  const { connect, ended, clock } = await serving(t, { wait: 5_000, onEvent: ({ event }) => void events.push(event) })
  for (const failure of [broken(), refusal('exists', 'it is there')]) (await connect()).admit().end(failure)
  await settle()
  t.equal(clock.timers, 0)
  t.notOk(events.includes('waiting'))
  t.equal(await stateOf(ended), 'pending')
})

t.test('ends with what a listener of its waiting throws', async (t) => {
  const onEvent = ({ event }: TransferEvent) => {
    if (event === 'waiting') throw new RangeError('the listener of events threw')
  }
  const { connect, ended, clock } = await serving(t, { count: 1, onEvent })
  ;(await connect()).admit().end(broken())
  await t.rejects(ended, { code: 'internal', exitCode: 1 })
  t.equal(clock.timers, 0)
})

t.test('ends with what broke a transfer when nobody comes back in time', async (t) => {
  const { connect, ended, clock } = await serving(t, { count: 1 })
  const failure = new TransferError('digest-mismatch', 'other bytes', { reason: 'digest' })
  ;(await connect()).admit().end(failure)
  await settle()
  clock.advance(TIMEOUT - 1)
  t.equal(await stateOf(ended), 'pending')
  clock.advance(1)
  const message = 'other bytes; no sender came back within 30 seconds'
  await t.rejects(ended, { code: 'digest-mismatch', exitCode: 7, reason: 'digest', message, cause: failure })
  t.equal(clock.timers, 0)
})

t.test('begins to wait anew with the last transfer that broke', async (t) => {
  const { connect, ended, clock } = await serving(t, { count: 1 })
  ;(await connect()).admit().end(broken())
  await settle()
  clock.advance(TIMEOUT - 1)
  ;(await connect()).admit().end(new TransferError('timeout', 'it was silent'))
  await settle()
  clock.advance(TIMEOUT - 1)
  t.equal(await stateOf(ended), 'pending')
  clock.advance(1)
  await t.rejects(ended, { code: 'timeout' }, 'and fails with that')
})

t.test('is content with one that comes after the one that broke', async (t) => {
  const { connect, ended, clock } = await serving(t, { count: 2 })
  ;(await connect()).admit().end(broken())
  ;(await connect()).admit().end()
  await settle()
  t.equal(clock.timers, 0, 'the next one has no deadline')
  t.equal(await stateOf(ended), 'pending')
})

t.test('does not take one that was under way for the one that broke', async (t) => {
  const { connect, ended, clock } = await serving(t, { count: 2 })
  const whole = (await connect()).admit()
  ;(await connect()).admit().end(broken())
  await settle()
  whole.end()
  await settle()
  clock.advance(TIMEOUT)
  t.equal(await stateOf(ended), 'rejected', 'one of the two is still missing')
})

t.test('does not lose patience while a transfer is under way', async (t) => {
  const { connect, ended, clock } = await serving(t, { count: 2, wait: 1_000 })
  const slow = (await connect()).admit()
  ;(await connect()).admit().end(broken())
  await settle()
  clock.advance(10 * TIMEOUT)
  t.equal(await stateOf(ended), 'pending')
  slow.end(broken())
  await settle()
  clock.advance(TIMEOUT)
  t.equal(await stateOf(ended), 'rejected')
})

t.test('ends at once with the failure of what cannot be made good', async (t) => {
  for (const failure of [broken(), refusal('exists', 'it is there')]) {
    const { connect, ended, role } = await serving(t, { count: 1 })
    role.spoiled = true
    ;(await connect()).end(broken())
    await settle()
    t.equal(await stateOf(ended), 'pending', 'who was no partner has spoiled nothing')
    ;(await connect()).admit().end(failure)
    t.equal(await ended.catch((error) => error), failure)
  }
})

t.test('admits no more at a time than it still wants', async (t) => {
  const { connect } = await serving(t, { count: 2 })
  const first = (await connect()).admit()
  ;(await connect()).admit()
  const third = await connect()
  const busy = { code: 'refused', reason: 'busy', message: 'it has all the transfers that it waited for' }
  t.throws(() => third.admit(), busy)
  first.end(broken())
  await settle()
  t.doesNotThrow(() => third.admit(), 'there is a place again')
  third.end()
  await settle()
  const fourth = await connect()
  t.throws(() => fourth.admit(), busy, 'one of the two is done')
})

t.test('keeps no place for a connection whose event a listener has failed', async (t) => {
  let fault: Error | null = new RangeError('the listener of events threw')
  const onEvent = ({ event }: TransferEvent) => {
    if (event === 'connected' && fault) throw fault
  }
  const { connect, ended } = await serving(t, { count: 1, onEvent })
  const first = await connect()
  t.throws(() => first.admit(), fault)
  first.end(broken())
  fault = null
  ;(await connect()).admit().end()
  await t.resolves(ended)
})

t.test('gives up when no partner comes in time, and scans are none', async (t) => {
  const { connect, ended, clock } = await serving(t, { wait: 5_000 })
  clock.advance(4_000)
  ;(await connect()).end(broken())
  await settle()
  clock.advance(999)
  t.equal(await stateOf(ended), 'pending')
  clock.advance(1)
  await t.rejects(ended, { code: 'timeout', exitCode: 9, message: 'no sender came within 5 seconds' })
})

t.test('waits for the first partner only, unless it counts', async (t) => {
  const first = await serving(t, { wait: 5_000 })
  ;(await first.connect()).admit().end()
  await settle()
  t.equal(first.clock.timers, 0)
})

t.test('waits for each partner that it counts', async (t) => {
  const { connect, ended, clock } = await serving(t, { wait: 5_000, count: 2 })
  clock.advance(4_999)
  const transfer = (await connect()).admit()
  clock.advance(60_000)
  transfer.end()
  await settle()
  clock.advance(4_999)
  t.equal(await stateOf(ended), 'pending')
  clock.advance(1)
  await t.rejects(ended, { code: 'timeout', message: 'no other sender came within 5 seconds' })
})
