import { once } from 'node:events'
import fc from 'fast-check'
import stringWidth from 'string-width'
import t, { type Test } from 'tap'
import { BarProgress, drawBar, fitText } from '../../dist/cli/bars.js'
import type { ProgressEvent, TransferEvent } from '../../dist/events.js'
import { Terminal } from '../fixtures/terminal.js'

t.test('cuts text to a width in columns', async (t) => {
  const table: [text: string, width: number, result: string][] = [
    ['file.txt', 8, 'file.txt'],
    ['file.txt', 7, 'file.t…'],
    ['文件名称', 8, '文件名称'],
    ['文件名称', 7, '文件名…'],
    ['文件名称', 6, '文件…'],
    ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
    ['👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 3, '👩‍👩‍👧‍👦…'],
    ['abc', 1, '…'],
  ]
  for (const [text, width, result] of table) t.equal(fitText(text, width), result)
})

t.test('never exceeds the width, and keeps what fits', async () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom('文', '👩‍👩‍👧‍👦', 'e\u0301', 'ﬃ', '🇩🇪'), fc.string({ unit: 'grapheme' })),
  })
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 30 }), (text, width) => {
      const fitted = fitText(text, width)
      return stringWidth(fitted) <= width && (fitted === text || fitted.endsWith('…'))
    }),
  )
})

t.test('draws a bar that fits the terminal, and leaves out what does not fit', async (t) => {
  const pace = { name: 'release-build-x86_64.tar.gz', bytes: 450_000_000, size: 1e9, rate: 98_300_000, left: 5.6 }
  const table: [columns: number, bar: string][] = [
    [200, `release-build-x86_64.tar.gz  [${'='.repeat(18)}${' '.repeat(22)}]   45 %  450 MB/1.00 GB  98.3 MB/s  0:06`],
    [80, 'release-build-x86_64.tar.gz  [===     ]   45 %  450 MB/1.00 GB  98.3 MB/s  0:06'],
    [40, 'release-build-…   45 %  98.3 MB/s  0:06'],
    [20, 'release…   45 %  98…'],
  ]
  for (const [columns, bar] of table) t.equal(drawBar(pace, columns), bar, `${columns} columns`)
})

t.test('draws what is known of a stream of unknown size', async (t) => {
  const pace = { name: 'db.sql', bytes: 1_200_000, size: null, rate: 300_000, left: null }
  for (const columns of [80, 200]) t.equal(drawBar(pace, columns), 'db.sql  1.20 MB of ?  300 kB/s')
})

t.test('is never wider than the terminal', async () => {
  const name = fc.string({
    unit: fc.oneof(fc.constantFrom('文', '👩‍👩‍👧‍👦', 'a'), fc.string({ unit: 'grapheme' })),
    maxLength: 60,
  })
  const pace = fc
    .record({ name, bytes: fc.maxSafeNat(), more: fc.maxSafeNat(), rate: fc.double({ min: 0, noNaN: true }) })
    .map(({ name, bytes, more, rate }) => {
      const size = Math.max(1, Math.min(bytes + more, Number.MAX_SAFE_INTEGER))
      return { name, bytes, size, rate, left: (size - bytes) / rate }
    })
  const unknown = pace.map((known) => ({ ...known, size: null, left: null }))
  fc.assert(
    fc.property(fc.oneof(pace, unknown), fc.constantFrom(20, 21, 40, 69, 70, 71, 80, 200), (drawn, columns) => {
      return stringWidth(drawBar(drawn, columns)) <= columns
    }),
  )
})

/** Bars on a fake terminal that are stopped in the end, so that no frame is drawn after it. */
function bars(t: Test, columns?: number): { terminal: Terminal; shown: BarProgress } {
  const terminal = new Terminal(columns)
  const shown = new BarProgress(terminal.stream)
  t.teardown(() => shown.stop())
  return { terminal, shown }
}

function progress(name: string, bytes: number, size: number | null = 1000): ProgressEvent {
  return { event: 'progress', transfer: 1, name, bytes, size }
}

function done(name: string): TransferEvent {
  return { event: 'refused', transfer: 1, peer: '127.0.0.1:1', name, code: 'type', message: 'not wanted' }
}

/** The first screen that `isRight`; or what there is after so many writes that it should have come. */
async function frame(terminal: Terminal, isRight: (screen: string[]) => boolean): Promise<string[]> {
  for (let writes = 0; writes < 60 && !isRight(terminal.screen); writes++) await once(terminal, 'shown')
  return terminal.screen
}

t.test('shows a bar once a file has a pace, and follows it', async (t) => {
  const { terminal, shown } = bars(t)
  shown.update(progress('a.iso', 0))
  t.same(terminal.screen, [])
  shown.update(progress('a.iso', 250))
  await frame(terminal, ([bar]) => /^a\.iso {2}\[=+ +\] +25 %/.test(bar ?? ''))
  t.notOk(terminal.isCursorShown)
  shown.update(progress('a.iso', 500))
  await frame(terminal, ([bar]) => / 50 %/.test(bar ?? ''))
})

t.test('gives the cursor back where the process ends without another word', async (t) => {
  const before = process.listeners('exit')
  const { terminal, shown } = bars(t)
  const added = process.listeners('exit').filter((listener) => !before.includes(listener))
  shown.update(progress('a', 0))
  shown.update(progress('a', 500))
  await frame(terminal, ([bar]) => / 50 %/.test(bar ?? ''))
  t.notOk(terminal.isCursorShown)
  for (const listener of added) listener.call(process, 130)
  t.ok(terminal.isCursorShown)
  shown.stop()
  t.strictSame(process.listeners('exit'), before, 'and leaves nothing behind')
})

t.test('shows the bar of a stream of unknown size', async (t) => {
  const { terminal, shown } = bars(t)
  shown.update(progress('db.sql', 0, null))
  shown.update(progress('db.sql', 5000, null))
  await frame(terminal, ([bar]) => /^db\.sql {2}5\.00 kB of \?/.test(bar ?? ''))
})

t.test('takes a terminal without a width for one of 80 columns', async (t) => {
  const { terminal, shown } = bars(t, 0)
  shown.update(progress('a', 0))
  shown.update(progress('a', 500))
  await frame(terminal, () => terminal.written.includes('500 B/1.00 kB'))
})

t.test('prints lines above the bars, which stay', async (t) => {
  const { terminal, shown } = bars(t)
  for (const name of ['a', 'b']) {
    shown.update(progress(name, 0))
    shown.update(progress(name, 500))
  }
  await frame(terminal, (screen) => screen.length === 2)
  shown.line('tcp-recv: stored one')
  shown.line('tcp-recv: stored two')
  const screen = terminal.screen
  t.same(screen.slice(0, 2), ['tcp-recv: stored one', 'tcp-recv: stored two'])
  t.match(screen.slice(2), [/^a .* 50 %/, /^b .* 50 %/])
  t.equal(screen.length, 4)
})

t.test('prints a line at once where there is no bar', async (t) => {
  const { terminal, shown } = bars(t)
  shown.line('tcp-recv: listening')
  t.same(terminal.screen, ['tcp-recv: listening'])
})

t.test('prints a line that is longer than the terminal is wide to its end', async (t) => {
  const { terminal, shown } = bars(t, 40)
  shown.update(progress('a', 0))
  shown.update(progress('a', 500))
  const line = `tcp-recv: stored a, blake3 ${'0123456789'.repeat(6)}`
  shown.line(line)
  shown.stop()
  t.equal(terminal.screen.join(''), line)
})

t.test('removes the bar of a file that is done', async (t) => {
  const { terminal, shown } = bars(t)
  for (const name of ['a', 'b']) {
    shown.update(progress(name, 0))
    shown.update(progress(name, 500))
  }
  await frame(terminal, (screen) => screen.length === 2)
  shown.update(done('a'))
  shown.line('tcp-recv: refused a')
  await frame(terminal, (screen) => screen.length === 2 && /^b /.test(screen[1] ?? ''))
  shown.update(done('b'))
  shown.line('tcp-recv: refused b')
  t.same(terminal.screen, ['tcp-recv: refused a', 'tcp-recv: refused b'])
})

t.test('shows eight bars at once, and the ninth file when there is room', async (t) => {
  const { terminal, shown } = bars(t)
  const names = Array.from({ length: 9 }, (_, index) => `file${index}`)
  for (const name of names) {
    shown.update(progress(name, 0))
    shown.update(progress(name, 100))
  }
  const screen = await frame(terminal, (screen) => screen.length === 8)
  t.notMatch(screen.join('\n'), /file8/)
  shown.update(done('file8'))
  shown.update(done('file3'))
  shown.update(progress('file8', 0))
  shown.update(progress('file8', 200))
  const next = await frame(terminal, (screen) => screen.some((row) => row.startsWith('file8')))
  t.equal(next.length, 8)
  t.notMatch(next.join('\n'), /file3/)
})

t.test('gives the terminal back as it was', async (t) => {
  const { terminal, shown } = bars(t)
  shown.update({ event: 'listening', address: '::1', port: 1 })
  shown.update(progress('a', 0))
  shown.update(progress('a', 500))
  shown.line('tcp-recv: stored another')
  shown.stop()
  t.ok(terminal.isCursorShown)
  t.ok(terminal.isWrapping)
  t.same(terminal.screen, ['tcp-recv: stored another'])
})

t.test('leaves signals to the command', async (t) => {
  const before = process.listenerCount('SIGINT') + process.listenerCount('SIGTERM')
  const { shown } = bars(t)
  shown.update(progress('a', 0))
  shown.update(progress('a', 500))
  t.equal(process.listenerCount('SIGINT') + process.listenerCount('SIGTERM'), before)
})
