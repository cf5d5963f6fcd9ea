/** The progress of a directory: its files, the current one, and how many there are, which only the sender can know. */
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ProgressEvent, TransferEvent } from '../../dist/events.js'
import { ProgressReport } from '../../dist/transfer/progress-report.js'
import { startReceiver, trySend } from '../fixtures/ends.js'
import { watchOpenFiles } from '../fixtures/open-files.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.js'
import { replaceProperty } from '../fixtures/replace-property.ts'

t.test('tells on the way how many files are done, and how many there are', async (t) => {
  const folder = t.testdir({ d: { a: '', b: '', sub: { c: '', empty: '' } }, out: {} })
  for (const name of ['a', 'b', 'sub/c']) truncateSync(join(folder, 'd', name), 4 * 1024 ** 2)
  // Time passes whenever somebody looks at the clock.
  let now = 5000
  replaceProperty(t, performance, 'now', {
    value: () => {
      now += 50
      return now
    },
  })
  const timeout = 1_000_000_000
  const receiver = await startReceiver(t, { out: join(folder, 'out'), count: 1, timeout })
  const stillOpen = watchOpenFiles(join(folder, 'd'))
  const { summary, events } = await trySend(t, receiver.port, join(folder, 'd'), { timeout })
  t.match(summary, { files: 4 })
  t.match((await receiver.ended).summary, { files: 4 })
  const [first, ...progress] = events.of('progress')
  t.strictSame(first, { event: 'progress', transfer: 1, name: 'd', bytes: 0, size: null })
  t.match(progress[0], { files: Number, current: String })
  const known = progress.filter(({ filesKnown }) => filesKnown !== undefined)
  t.not(known.length, 0)
  t.strictSame(
    known.filter(({ filesKnown = 0, bytesKnown = 0, files = 0, bytes }) => filesKnown < files || bytesKnown < bytes),
    [],
    'never fewer than are done',
  )
  const all = known.filter(({ allKnown }) => allKnown)
  t.not(all.length, 0)
  t.strictSame(
    all.filter(({ filesKnown, bytesKnown }) => filesKnown !== 4 || bytesKnown !== 12 * 1024 ** 2),
    [],
  )
  t.ok(receiver.events.of('progress').every((event) => !('filesKnown' in event)))
  t.strictSame(await stillOpen(), [])
})

t.test('tells nothing of a count that is behind, and adds what came after it was complete', async (t) => {
  const clock = fakePerformanceNow(t)
  const events: ProgressEvent[] = []
  const onEvent = (event: TransferEvent) => void events.push(event as ProgressEvent)
  const report = new ProgressReport(onEvent, { transfer: 1, name: 'd', size: null })
  const record = { resumed: 0, files: 5, bytes: 50, current: 'x' }
  const table: [count: { files: number; bytes: number; isComplete: boolean }, known: object][] = [
    [{ files: 4, bytes: 50, isComplete: false }, {}],
    [{ files: 5, bytes: 49, isComplete: false }, {}],
    [
      { files: 5, bytes: 50, isComplete: false },
      { filesKnown: 5, bytesKnown: 50, allKnown: false },
    ],
    [
      { files: 4, bytes: 60, isComplete: true },
      { filesKnown: 5, bytesKnown: 60, allKnown: true },
    ],
  ]
  for (const [count, known] of table) {
    clock.pass(200)
    report.updateTree(record, count)
    const progress = { event: 'progress', transfer: 1, name: 'd', bytes: 50, size: null, files: 5, current: 'x' }
    t.strictSame(events.at(-1), { ...progress, ...known })
  }
  clock.pass(200)
  report.updateTree({ ...record, resumed: 30 })
  t.match(events.at(-1), { bytes: 50, resumed: 30 })
  clock.pass(200)
  report.updateTree(record)
  t.notOk('filesKnown' in (events.at(-1) as ProgressEvent))
})
