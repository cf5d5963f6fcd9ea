/** The frame of every call of the library: the events and the summary at the end. */
import t from 'tap'
import { TransferError } from '../dist/errors.js'
import { runToSummary } from '../dist/summary.js'
import { Events } from './fixtures/ends.ts'

t.test('sums up a success, and says done last', async (t) => {
  const events = new Events()
  const tally = { files: 0, bytes: 0 }
  const summary = await runToSummary(events.add, tally, async () => {
    Object.assign(tally, { files: 2, bytes: 30 })
    return null
  })
  t.match(summary, { files: 2, bytes: 30, seconds: Number })
  t.strictSame(events.all, [{ event: 'done', ...summary, exitCode: 0 }])
})

t.test('reports a failure that had no event, and one that had one no more', async (t) => {
  for (const isKnown of [false, true]) {
    const events = new Events()
    const failure = new TransferError('timeout', 'nobody came', { reason: 'timeout' })
    const tally = { files: 1, bytes: 5 }
    const work = () => (isKnown ? Promise.resolve(failure) : Promise.reject(failure))
    const thrown = await runToSummary(events.add, tally, work).catch((error: unknown) => error)
    t.equal(thrown, failure)
    const failed = { event: 'failed', transfer: 0, code: 'timeout', reason: 'timeout', message: 'nobody came' }
    const done = { event: 'done', files: 1, bytes: 5, exitCode: 9 }
    t.match(events.all, isKnown ? [done] : [failed, done])
    t.equal(events.all.length, isKnown ? 1 : 2)
  }
})

t.test('turns a fault of ours into an internal error', async (t) => {
  const events = new Events()
  const fault = new RangeError('an index too far')
  const failed = runToSummary(events.add, { files: 0, bytes: 0 }, () => Promise.reject(fault))
  await t.rejects(failed, { code: 'internal', exitCode: 1, cause: fault })
  t.match(events.all, [{ code: 'internal' }, { event: 'done', exitCode: 1 }])
})
