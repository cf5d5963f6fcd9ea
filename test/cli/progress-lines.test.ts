import t from 'tap'
import { LineProgress } from '../../dist/cli/progress-lines.js'
import type { TransferEvent } from '../../dist/events.js'
import { isUnsafe } from '../../dist/text.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.js'

function progress(name: string, bytes: number, size: number | null, transfer = 1): TransferEvent {
  return { event: 'progress', transfer, name, bytes, size }
}

const failed: TransferEvent = {
  event: 'failed',
  transfer: 1,
  name: 'a.iso',
  code: 'incomplete',
  reason: 'broken',
  message: 'it broke',
}

t.test('tells how a file comes along: share, amount, rate and time left', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  shown.update(progress('a.iso', 0, 4_000_000))
  clock.pass(10_000)
  shown.update(progress('a.iso', 1_000_000, 4_000_000))
  t.same(lines, ['a.iso: 25 %, 1.00 MB of 4.00 MB, 100 kB/s, 0:30 left'])
})

t.test('tells of a stream of unknown size what is known', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  shown.update(progress('db.sql', 0, null))
  clock.pass(20_000)
  shown.update(progress('db.sql', 5_000, null))
  t.same(lines, ['db.sql: 5.00 kB of unknown size, 250 B/s'])
})

t.test('counts what the receiver has said it has, not what is on the way to it', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 0)
  const received = (bytes: number): TransferEvent => ({
    event: 'progress',
    transfer: 1,
    name: 'a.iso',
    bytes: 4_000_000,
    size: 6_000_000,
    received: bytes,
  })
  shown.update(progress('a.iso', 0, 6_000_000))
  clock.pass(1000)
  shown.update(received(0))
  clock.pass(1000)
  shown.update(received(600_000))
  clock.pass(4000)
  shown.update(received(600_000))
  t.same(lines, [
    'a.iso: 0 %, 0 B of 6.00 MB, 0 B/s',
    'a.iso: 10 %, 600 kB of 6.00 MB, 300 kB/s, 0:18 left',
    'a.iso: 10 %, 600 kB of 6.00 MB, 300 kB/s, 0:14 left',
  ])
})

/** A file of 10 MB of which the receiver had 9 MB. */
function resumed(bytes: number, received?: number): TransferEvent {
  const event = { event: 'progress', transfer: 1, name: 'a.iso', bytes, size: 10_000_000, resumed: 9_000_000 } as const
  return received === undefined ? event : { ...event, received }
}

t.test('counts what was there before in the share, and neither in the speed nor in the time left', async (t) => {
  const clock = fakePerformanceNow(t)
  // A sender knows it at its first event, a receiver only later.
  for (const first of [resumed(9_000_000), progress('a.iso', 0, 10_000_000)]) {
    const lines: string[] = []
    const shown = new LineProgress((text) => lines.push(text), 5000)
    shown.update(first)
    clock.pass(5000)
    shown.update(resumed(9_500_000))
    t.same(lines, ['a.iso: 95 %, 9.50 MB of 10.0 MB, 100 kB/s, 0:05 left'])
  }
})

t.test('shows no speed before anything has moved, and none below nothing', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 0)
  shown.update(resumed(9_000_000))
  clock.pass(1000)
  shown.update(resumed(9_500_000, 0))
  t.same(lines, ['a.iso: 90 %, 9.00 MB of 10.0 MB, 0 B/s'])
})

t.test('begins anew when a file goes on after a wait', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 1000)
  shown.update(progress('a.iso', 0, 10_000_000))
  clock.pass(1000)
  shown.update(progress('a.iso', 9_000_000, 10_000_000))
  shown.update({ event: 'waiting', for: 'receiver', seconds: 60, message: 'going on in 60 seconds' })
  clock.pass(60_000)
  shown.update(resumed(9_000_000))
  clock.pass(1000)
  shown.update(resumed(9_500_000))
  t.same(lines, [
    'a.iso: 90 %, 9.00 MB of 10.0 MB, 9.00 MB/s, 0:00 left',
    'a.iso: 95 %, 9.50 MB of 10.0 MB, 500 kB/s, 0:01 left',
  ])
})

t.test('prints at most a line every ten seconds about each file', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  for (const name of ['a', 'b']) shown.update(progress(name, 0, 1000))
  for (let seconds = 1; seconds <= 30; seconds++) {
    clock.pass(1000)
    for (const name of ['a', 'b']) shown.update(progress(name, seconds * 10, 1000))
  }
  t.equal(lines.length, 6)
  t.equal(lines.filter((line) => line.startsWith('a: ')).length, 3)
})

t.test('takes another interval', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 100)
  shown.update(progress('a', 0, 10))
  clock.pass(99)
  shown.update(progress('a', 1, 10))
  t.same(lines, [])
  clock.pass(1)
  shown.update(progress('a', 2, 10))
  t.match(lines, [/^a: 20 %/])
})

t.test('says nothing of a file that is done before its first line', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  shown.update(progress('a', 0, 10))
  clock.pass(5_000)
  shown.update(progress('a', 10, 10))
  t.same(lines, [])
})

t.test('begins anew with a file of the same name', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  shown.update(progress('a.iso', 0, 1000))
  clock.pass(60_000)
  shown.update(failed)
  shown.update(progress('a.iso', 0, 1000))
  clock.pass(10_000)
  shown.update(progress('a.iso', 100, 1000))
  t.same(lines, ['a.iso: 10 %, 100 B of 1.00 kB, 10 B/s, 1:30 left'])
})

t.test('tells files of the same name in two transfers apart', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  shown.update(progress('a', 0, 1000, 1))
  shown.update(progress('a', 0, 1000, 2))
  clock.pass(10_000)
  shown.update(progress('a', 500, 1000, 1))
  shown.update(progress('a', 100, 1000, 2))
  t.match(lines, [/ 50 %/, / 10 %/])
})

t.test('prints other lines as they come, and needs no end', async (t) => {
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  shown.update({ event: 'listening', address: '::1', port: 1 })
  shown.line('tcp-recv: stored a')
  shown.stop()
  t.same(lines, ['tcp-recv: stored a'])
})

t.test('never shows a raw name', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 0)
  shown.update(progress('\u001b[2J\n', 0, null))
  clock.pass(1)
  shown.update(progress('\u001b[2J\n', 1, null))
  t.equal(lines.length, 1)
  t.notOk(isUnsafe(lines.join('')))
})

t.test('tells of a directory its files, those that are known, and the current one', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 0)
  const event = { event: 'progress', transfer: 1, name: 'd', bytes: 0, size: null } as const
  const known = { filesKnown: 4000, bytesKnown: 40_000_000, allKnown: false }
  shown.update(event)
  clock.pass(10_000)
  shown.update({ ...event, files: 0, current: '' })
  shown.update({ ...event, files: 1000, bytes: 10_000_000, current: 'a\u001b' })
  shown.update({ ...failed, name: 'd/x', directory: 'd' } as TransferEvent)
  shown.update({ ...event, files: 1000, bytes: 10_000_000, current: 'a', ...known })
  shown.update({ ...event, files: 1000, bytes: 10_000_000, current: 'a', ...known, allKnown: true })
  t.same(lines, [
    'd/: 0 files, 0 B, 0 B/s',
    'd/: 1,000 files, 10.0 MB, 1.00 MB/s, at a\\u{1b}',
    'd/: 1,000 of 4,000+ files, 10.0 MB, 1.00 MB/s, at a',
    'd/: 25 %, 1,000 of 4,000 files, 10.0 MB of 40.0 MB, 1.00 MB/s, 0:30 left, at a',
  ])
})

t.test('counts the files of a directory as well as its bytes for the time that is left', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 0)
  const event = { event: 'progress', transfer: 1, name: 'd', bytes: 0, size: null } as const
  const known = { filesKnown: 100, bytesKnown: 0, allKnown: true, current: '' }
  shown.update(event)
  clock.pass(10_000)
  shown.update({ ...event, files: 0, ...known })
  shown.update({ ...event, files: 25, ...known })
  t.same(lines, ['d/: 0 of 100 files, 0 B, 0 B/s', 'd/: 25 of 100 files, 0 B, 0 B/s, 0:30 left'])
})

t.test('leaves the files of a directory that were there before out of the speed and the time left', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text), 0)
  const event = { event: 'progress', transfer: 1, name: 'd', bytes: 0, size: null } as const
  const known = { filesKnown: 4, bytesKnown: 100_000_000, allKnown: true, current: '' }
  shown.update(event)
  clock.pass(10_000)
  shown.update({ ...event, bytes: 60_000_000, resumed: 60_000_000, files: 0, ...known })
  shown.update({ ...event, bytes: 80_000_000, resumed: 60_000_000, files: 1, ...known })
  t.same(lines, [
    'd/: 60 %, 0 of 4 files, 60.0 MB of 100 MB, 0 B/s',
    'd/: 80 %, 1 of 4 files, 80.0 MB of 100 MB, 2.00 MB/s, 0:10 left',
  ])
})

t.test('tells what the bytes are on the wire', async (t) => {
  const clock = fakePerformanceNow(t)
  const lines: string[] = []
  const shown = new LineProgress((text) => lines.push(text))
  const file = { event: 'progress', transfer: 1, name: 'a.sql', size: 4_000_000 } as const
  const tree = { event: 'progress', transfer: 1, name: 'src', size: null } as const
  for (const event of [file, tree]) shown.update({ ...event, bytes: 0 })
  clock.pass(10_000)
  shown.update({ ...file, bytes: 1_000_000, wire: 300_000 })
  shown.update({ ...tree, bytes: 1_000_000, wire: 300_000, files: 2, current: 'a.c' })
  t.same(lines, [
    'a.sql: 25 %, 1.00 MB of 4.00 MB, 100 kB/s, 300 kB on the wire, 0:30 left',
    'src/: 2 files, 1.00 MB, 100 kB/s, 300 kB on the wire, at a.c',
  ])
})
