import { once } from 'node:events'
import t, { type Test } from 'tap'
import { BarProgress } from '../../dist/cli/bars.js'
import type { ProgressEvent, TransferEvent } from '../../dist/events.js'
import { fakePerformanceNow } from '../fixtures/performance-clock.js'
import { Terminal } from '../fixtures/terminal.js'

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
  return {
    event: 'refused',
    transfer: 1,
    peer: '127.0.0.1:1',
    name,
    code: 'refused',
    reason: 'type',
    message: 'not wanted',
  }
}

/** The first screen that `isRight`; or what there is after so many writes that it should have come. */
async function frame(terminal: Terminal, isRight: (screen: string[]) => boolean): Promise<string[]> {
  for (let writes = 0; writes < 60 && !isRight(terminal.screen); writes++) await once(terminal, 'shown')
  return terminal.screen
}

t.test('shows a bar once the rate of a file is known, and follows it', async (t) => {
  const { terminal, shown } = bars(t)
  shown.update(progress('a.iso', 0))
  t.same(terminal.screen, [])
  shown.update(progress('a.iso', 250))
  await frame(terminal, ([bar]) => /^a\.iso {2}\[=+ +\] +25 %/.test(bar ?? ''))
  t.notOk(terminal.isCursorShown)
  shown.update(progress('a.iso', 500))
  await frame(terminal, ([bar]) => / 50 %/.test(bar ?? ''))
})

t.test('shows no bar while a side waits for another try, and again when the file goes on', async (t) => {
  const { terminal, shown } = bars(t)
  shown.update(progress('a.iso', 0))
  shown.update(progress('a.iso', 250))
  await frame(terminal, ([bar]) => / 25 %/.test(bar ?? ''))
  shown.update({ event: 'waiting', for: 'receiver', seconds: 3, message: 'going on in 3 seconds' })
  shown.line('going on in 3 seconds')
  t.same(await frame(terminal, (screen) => screen.length === 1), ['going on in 3 seconds'])
  shown.update({ ...progress('a.iso', 250), resumed: 250 })
  shown.update({ ...progress('a.iso', 500), resumed: 250 })
  await frame(terminal, ([, bar]) => /^a\.iso .* 50 %/.test(bar ?? ''))
})

t.test('shows the bar of a stream of unknown size', async (t) => {
  const { terminal, shown } = bars(t)
  shown.update(progress('db.sql', 0, null))
  shown.update(progress('db.sql', 5000, null))
  await frame(terminal, ([bar]) => /^db\.sql +5\.00 kB of \?/.test(bar ?? ''))
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

/** Files with a known rate, so that each can have a bar. */
function follow(shown: BarProgress, names: readonly string[], bytes = 100): void {
  for (const name of names) {
    shown.update(progress(name, 0))
    shown.update(progress(name, bytes))
  }
}

t.test('shows eight bars at once and says how many more there are, which come when there is room', async (t) => {
  const { terminal, shown } = bars(t)
  follow(
    shown,
    Array.from({ length: 30 }, (_, index) => `file${index}`),
  )
  const screen = await frame(terminal, (screen) => screen.length === 9)
  t.match(screen[7], /^file7 /)
  t.equal(screen[8], '22 more under way')
  for (let index = 9; index < 30; index++) shown.update(done(`file${index}`))
  shown.update(done('file3'))
  const next = await frame(terminal, (screen) => screen.length === 8)
  t.match(next[7], /^file8 /)
  t.notMatch(next.join('\n'), /file3|more/)
})

t.test('shows no more than a low terminal has room for', async (t) => {
  const { terminal, shown } = bars(t)
  terminal.rows = 4
  follow(shown, ['a', 'b', 'c', 'd', 'e'])
  const screen = await frame(terminal, (screen) => screen.length === 3)
  t.match(screen, [/^a /, /^b /, /^3 more under way$/])
})

t.test('shows below the bar of a directory its files and the current one, if there is room', async (t) => {
  const { terminal, shown } = bars(t, 60)
  shown.update(progress('d', 0, null))
  shown.update({ ...progress('d', 0, null), files: 12, current: 'sub/x' })
  follow(shown, ['a'])
  const screen = await frame(terminal, (screen) => screen.length === 3)
  t.match(screen, [/^d\/ +0 B/, '  12 files, sub/x', /^a .* 10 %/])
  shown.update({ ...done('d/y'), directory: 'd' } as TransferEvent)
  t.equal(terminal.screen.length, 3, 'what happens in the directory does not end it')
  terminal.rows = 4
  terminal.resize(40)
  const low = await frame(terminal, (screen) => screen.length === 2)
  t.match(low, [/^d\/ /, /^a /])
  shown.update(done('d'))
  t.match(await frame(terminal, (screen) => screen.length === 1), [/^a /])
})

t.test('removes the bars of a transfer that has ended', async (t) => {
  for (const last of [
    { event: 'ended', transfer: 1, files: 0, bytes: 0, complete: false, seconds: 1 },
    { event: 'failed', transfer: 1, code: 'incomplete', reason: 'broken', message: 'it broke' },
  ] as const) {
    const { terminal, shown } = bars(t)
    follow(shown, ['a', 'b'])
    shown.update({ ...progress('c', 0), transfer: 2 })
    shown.update({ ...progress('c', 100), transfer: 2 })
    await frame(terminal, (screen) => screen.length === 3)
    shown.update({ event: 'connected', transfer: 1, peer: '127.0.0.1:1' })
    t.equal(terminal.screen.length, 3)
    shown.update(last)
    t.match(terminal.screen, [/^c /])
    t.equal(terminal.screen.length, 1)
  }
})

t.test('shows what there is to know of many files, with and without bars', async (t) => {
  const { terminal, shown } = bars(t, 40)
  shown.status('11 files')
  t.same(terminal.screen, ['11 files'])
  shown.line('tcp-recv: refused b')
  t.same(terminal.screen, ['tcp-recv: refused b', '11 files'])
  follow(
    shown,
    Array.from({ length: 9 }, (_, index) => `file${index}`),
  )
  shown.status('12 files, and more than has room in a row')
  const screen = await frame(terminal, (screen) => screen.length === 10)
  t.equal(screen[9], '1 more under way; 12 files, and more t…')
  for (let index = 0; index < 9; index++) shown.update(done(`file${index}`))
  t.same(terminal.screen.slice(1), ['12 files, and more than has room in a …'])
  shown.status(null)
  t.same(terminal.screen, ['tcp-recv: refused b'])
  t.ok(terminal.isCursorShown)
})

t.test('does not draw what there is to know of many files for each of them', async (t) => {
  const clock = fakePerformanceNow(t)
  const { terminal, shown } = bars(t)
  for (let files = 11; files < 500; files++) shown.status(`${files} files`)
  t.same(terminal.screen, ['11 files'])
  clock.pass(100)
  shown.status('500 files')
  t.same(terminal.screen, ['500 files'])
})

t.test('draws anew at once when the terminal has another size', async (t) => {
  const { terminal, shown } = bars(t)
  terminal.resize(60)
  t.equal(terminal.written, '')
  follow(shown, ['a', 'b'])
  await frame(terminal, (screen) => screen.length === 2)
  for (const columns of [30, 200, 40]) {
    terminal.resize(columns)
    t.equal(terminal.screen.length, 2)
    for (const row of terminal.screen) t.match(row, columns === 200 ? /^[ab] {2}\[.* 10 %/ : /^[ab] +10 %/)
  }
})

t.test('lets paths be printed by another stream', async (t) => {
  const { terminal, shown } = bars(t)
  follow(shown, ['a', 'b'])
  await frame(terminal, (screen) => screen.length === 2)
  shown.writeAbove(() => void terminal.write('dir/file\n'))
  t.match(terminal.screen, ['dir/file', /^a /, /^b /])
})

t.test('makes room for another program', async (t) => {
  const { terminal, shown } = bars(t)
  follow(shown, ['a', 'b'])
  await frame(terminal, (screen) => screen.length === 2)
  shown.pause()
  follow(shown, ['c'])
  shown.status('11 files')
  t.same(terminal.screen, [])
  shown.resume()
  await frame(terminal, (screen) => screen.length === 4)
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
