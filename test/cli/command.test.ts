/** The course of a command after its options have been read: which failures have been reported, and which have not. */
import t from 'tap'
import { runReported } from '../../dist/cli/command.js'
import type { Reporter } from '../../dist/cli/reporter.js'
import { TransferError } from '../../dist/errors.js'
import type { TransferEvent } from '../../dist/events.js'

const failure = new TransferError('timeout', 'nothing came')

/** A reporter that keeps the events, and whose end is `closing`. */
function reporterWith(closing: () => Promise<TransferError | null> = async () => null) {
  const events: TransferEvent[] = []
  const reporter: Reporter = {
    fileEvents: true,
    open: () => {},
    onEvent: (event) => void events.push(event),
    note: () => {},
    aside: (work) => work(),
    close: closing,
  }
  return { reporter, events }
}

t.test('returns what the library has reported, and the reported failure of a receipt', async (t) => {
  t.equal(
    await runReported(
      reporterWith().reporter,
      () => {},
      async () => {},
    ),
    null,
  )
  const failing = () => Promise.reject(failure)
  t.equal(await runReported(reporterWith().reporter, () => {}, failing), failure)
  const { reporter } = reporterWith(async () => failure)
  t.equal(
    await runReported(
      reporter,
      () => {},
      async () => {},
    ),
    failure,
  )
})

t.test('reports what keeps the work from starting', async (t) => {
  const { reporter, events } = reporterWith()
  const check = () => {
    throw failure
  }
  t.equal(await runReported(reporter, check, () => Promise.reject(new Error('never'))), failure)
  t.match(events, [
    { event: 'failed', code: 'timeout' },
    { event: 'done', exitCode: 9 },
  ])
})

t.test('throws what nobody has reported: lost output, and what was thrown while it was being reported', async (t) => {
  const lost = new TransferError('local-file', 'cannot write')
  const losing = reporterWith(() => Promise.reject(lost)).reporter
  t.equal(
    await runReported(
      losing,
      () => {},
      async () => {},
    ).catch((error) => error),
    lost,
  )
  const fault = new RangeError('a bug')
  const failing = runReported(
    reporterWith().reporter,
    () => {},
    () => Promise.reject(fault),
  )
  t.equal(await failing.catch((error) => error), fault)
  t.equal(
    await runReported(
      losing,
      () => {},
      () => Promise.reject(failure),
    ),
    failure,
    'the first failure counts',
  )
})
