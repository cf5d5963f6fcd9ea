import t from 'tap'
import { MAX_PROBLEMS, ProblemLines } from '../../dist/cli/problem-lines.js'
import type { TransferEvent } from '../../dist/events.js'

function failed(transfer: number, name: string, directory?: string): TransferEvent {
  const inside = directory === undefined ? {} : { directory }
  return { event: 'failed', transfer, name, ...inside, code: 'local-file', reason: 'left-out', message: 'bad' }
}

function ended(transfer: number): TransferEvent {
  return { event: 'ended', transfer, files: 0, bytes: 0, complete: false, seconds: 2 }
}

const done: TransferEvent = { event: 'done', files: 0, bytes: 0, seconds: 60, exitCode: 8 }

/** Counts `count` problems of one directory, the last of which has no line if there are more than are listed. */
function fill(lines: ProblemLines, count: number, transfer = 1, directory = 'd'): (string | null)[] {
  return Array.from({ length: count }, () => lines.instead(failed(transfer, `${directory}/x`, directory)))
}

t.test('lists the first problems of each directory, and says once that the rest is counted', async (t) => {
  const lines = new ProblemLines(false)
  t.same(fill(lines, MAX_PROBLEMS), Array(MAX_PROBLEMS).fill(null))
  const note = 'more like these in d/ are only counted; --verbose and --json list them all'
  t.same(fill(lines, 3), [note, '', ''])
  t.same(fill(lines, 1, 2), [null], 'the same name in another transfer')
  t.same(fill(lines, 1, 1, 'e'), [null], 'another directory')
  t.equal(lines.instead(failed(1, 'f')), null, 'a file outside of it')
  t.equal(lines.instead(ended(2)), null)
  t.same(lines.rest(failed(1, 'd/x', 'd')), [])
  t.same(lines.rest(failed(1, 'd')), ['3 more like these in d/'])
  t.same(lines.rest(failed(1, 'd')), [], 'once')
})

t.test('counts what has no end of its own until the transfer or the call ends', async (t) => {
  const lines = new ProblemLines(false)
  fill(lines, MAX_PROBLEMS + 1, 1)
  fill(lines, MAX_PROBLEMS + 1000, 2)
  fill(lines, MAX_PROBLEMS + 2, 3, 'a\u001b')
  const connected: TransferEvent = { event: 'connected', transfer: 4, peer: '127.0.0.1:5' }
  const broken: TransferEvent = { event: 'failed', transfer: 1, code: 'incomplete', reason: 'broken', message: 'bad' }
  for (const event of [connected, broken, ended(4)]) t.same(lines.rest(event), [])
  t.same(lines.rest(ended(1)), ['1 more like these in d/'])
  t.same(lines.rest(done), ['1,000 more like these in d/', '2 more like these in a\\u{1b}/'])
  t.same(lines.rest(done), [])
})

t.test('lists all where that is wanted', async (t) => {
  const lines = new ProblemLines(true)
  t.same(fill(lines, MAX_PROBLEMS + 5), Array(MAX_PROBLEMS + 5).fill(null))
  t.same(lines.rest(done), [])
})
