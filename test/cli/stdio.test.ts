import { closeSync, fstatSync, openSync } from 'node:fs'
import t, { type Test } from 'tap'
import { inspectStdio, timestamp } from '../../dist/cli/stdio.js'
import { TextOutput } from '../fixtures/text-output.ts'

/** A stream of a descriptor of its own for that file, which may be taken for a terminal. */
function streamOf(t: Test, path: string, isTTY: boolean): TextOutput & { fd: number; isTTY: boolean } {
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  return Object.assign(new TextOutput(), { fd, isTTY })
}

t.test('knows one terminal by two descriptors, and two terminals apart', async (t) => {
  const folder = t.testdir({ one: '', two: '' })
  const [first, again] = [streamOf(t, `${folder}/one`, true), streamOf(t, `${folder}/one`, true)]
  const table: [stdout: TextOutput, stderr: TextOutput, isSameTerminal: boolean][] = [
    [first, again, true],
    [first, streamOf(t, `${folder}/two`, true), false],
    [first, streamOf(t, `${folder}/one`, false), false],
    [streamOf(t, `${folder}/one`, false), first, false],
    [first, first, true],
    [first, Object.assign(new TextOutput(), { isTTY: true }), false],
  ]
  for (const [stdout, stderr, isSameTerminal] of table)
    t.equal(inspectStdio(stdout, stderr, {}).isSameTerminal, isSameTerminal)
})

t.test('knows a terminal without control sequences', async (t) => {
  t.equal(inspectStdio(new TextOutput(), new TextOutput(), { TERM: 'dumb' }).isDumbTerminal, true)
  t.equal(inspectStdio(new TextOutput(), new TextOutput(), { TERM: 'xterm' }).isDumbTerminal, false)
})

t.test('tells the time in a log, but not on a terminal or in the journal', async (t) => {
  const path = `${t.testdir({ log: '' })}/log`
  const [log, terminal] = [streamOf(t, path, false), streamOf(t, path, true)]
  const { dev, ino } = fstatSync(log.fd)
  const stamp = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d $/
  t.match(inspectStdio(log, log, {}).linePrefix(), stamp)
  t.match(inspectStdio(log, log, { JOURNAL_STREAM: `${dev}:${ino + 1}` }).linePrefix(), stamp)
  t.equal(inspectStdio(log, log, { JOURNAL_STREAM: `${dev}:${ino}` }).linePrefix(), '')
  t.equal(inspectStdio(log, terminal, {}).linePrefix(), '')
})

t.test('writes a time as the clock on the wall shows it', async (t) => {
  t.equal(timestamp(new Date(2026, 10, 21, 14, 3, 7)), '2026-11-21 14:03:07')
  t.equal(timestamp(new Date(2026, 0, 2, 0, 0, 0)), '2026-01-02 00:00:00')
})
