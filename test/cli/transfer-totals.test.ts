import t from 'tap'
import { MAX_LISTED, TransferTotals } from '../../dist/cli/transfer-totals.js'
import type { TransferEvent } from '../../dist/events.js'

const blake3 = 'ab'.repeat(32)
const facts = { blake3, type: 'text/plain', verified: true, seconds: 0 }

function connected(transfer: number): TransferEvent {
  return { event: 'connected', transfer, peer: '127.0.0.1:5' }
}

function stored(transfer: number, size = 1000): TransferEvent {
  return { event: 'stored', transfer, peer: '127.0.0.1:5', name: 'a', path: 'dir/a', size, ...facts }
}

function sent(transfer: number): TransferEvent {
  return { event: 'sent', transfer, path: 'a', name: 'a', storedAs: 'a', size: 1000, ...facts }
}

function failed(transfer: number, name?: string, code: 'incomplete' | 'hook' = 'incomplete'): TransferEvent {
  return { event: 'failed', transfer, ...(name && { name }), code, reason: 'broken', message: 'it broke' }
}

function refused(transfer: number): TransferEvent {
  return { event: 'refused', transfer, peer: '127.0.0.1:5', name: 'b', code: 'refused', reason: 'type', message: 'no' }
}

/** A directory of `files` files, after the events of each of them. */
function storedDirectory(transfer: number, files: number): TransferEvent[] {
  const inside = Array.from({ length: files }, () => ({ ...stored(transfer), directory: 'd', name: 'd/a' }))
  return [...inside, { ...stored(transfer, 1000 * files), name: 'd', files }] as TransferEvent[]
}

function inDirectory(event: TransferEvent, reason: 'left-out' | 'disk' | 'skipped'): TransferEvent {
  return { ...event, directory: 'd', reason } as TransferEvent
}

function ended(transfer: number): TransferEvent {
  return { event: 'ended', transfer, files: 0, bytes: 0, complete: true, seconds: 2 }
}

const done: TransferEvent = { event: 'done', files: 0, bytes: 0, seconds: 60, exitCode: 0 }

/** The lines with totals that these events give. */
function totalLines(verb: 'stored' | 'sent', events: readonly TransferEvent[]): string[] {
  const totals = new TransferTotals(verb, false)
  return events.flatMap((event) => {
    totals.count(event)
    return totals.total(event) ?? []
  })
}

t.test('lists the first files of a transfer, and counts the others', async (t) => {
  const totals = new TransferTotals('stored', false)
  totals.count(connected(1))
  totals.count(connected(2))
  for (let file = 1; file <= MAX_LISTED; file++) {
    t.ok(totals.count(stored(1)))
    t.notOk(totals.isFirstUnlisted(stored(1)))
  }
  t.equal(totals.status(), null)
  t.notOk(totals.count(stored(1)))
  t.ok(totals.isFirstUnlisted(stored(1)))
  t.equal(totals.status(), 'stored 11 files so far, 11.0 kB')
  t.notOk(totals.count(stored(1)))
  t.notOk(totals.isFirstUnlisted(stored(1)), 'which is said once')
  t.ok(totals.count(stored(2)), 'another transfer has lines of its own')
  t.ok(totals.count(refused(1)), 'what went wrong is always told')
  t.ok(totals.count(failed(1, 'b')))
  t.equal(totals.total(ended(1)), 'stored 12 files, 12.0 kB in 2.00 s, 6.00 kB/s; 1 failed, 1 refused')
  t.equal(totals.status(), null)
})

t.test('lists all where that is wanted', async (t) => {
  const totals = new TransferTotals('sent', true)
  totals.count(connected(1))
  for (let file = 1; file <= 2 * MAX_LISTED; file++) t.ok(totals.count(sent(1)))
  t.notOk(totals.isFirstUnlisted(sent(1)))
  t.equal(totals.status(), null)
  t.equal(totals.total(ended(1)), 'sent 20 files, 20.0 kB in 2.00 s, 10.0 kB/s')
})

t.test('sums up a transfer of several files, and nothing else', async (t) => {
  const table: [events: TransferEvent[], total: string[]][] = [
    [[connected(1), sent(1), ended(1), done], []],
    [[connected(1), ended(1), done], []],
    [[connected(1), failed(1), ended(1), done], []],
    [[connected(1), sent(1), sent(1), ended(1), done], ['sent 2 files, 2.00 kB in 2.00 s, 1.00 kB/s']],
    [[connected(1), sent(1), failed(1, 'b'), ended(1)], ['sent 1 file, 1.00 kB in 2.00 s, 500 B/s; 1 failed']],
    [
      [connected(1), sent(1), sent(1), failed(1), ended(1)],
      ['sent 2 files, 2.00 kB in 2.00 s, 1.00 kB/s; not complete'],
    ],
    [[failed(0, 'x'), connected(1), sent(1), ended(1)], ['sent 1 file, 1.00 kB in 2.00 s, 500 B/s; 1 failed']],
    [[connected(1), refused(1), refused(1), ended(1)], ['sent 0 files, 0 B in 2.00 s; 2 refused']],
    [[connected(1), sent(1), failed(1, 'a', 'hook'), ended(1)], []],
  ]
  for (const [events, total] of table) t.same(totalLines('sent', events), total)
})

t.test('lists a directory as one file, and sums up what is in it', async (t) => {
  const totals = new TransferTotals('stored', false)
  totals.count(connected(1))
  for (const number of Array.from({ length: MAX_LISTED }).keys()) {
    const events = storedDirectory(1, 2)
    t.same(
      events.map((event) => totals.count(event)),
      [false, false, true],
      `directory ${number}`,
    )
    t.notOk(events.some((event) => totals.isFirstUnlisted(event)))
  }
  const [inside, , last] = storedDirectory(1, 2) as [TransferEvent, TransferEvent, TransferEvent]
  t.notOk(totals.count(inside))
  t.equal(totals.status(), null)
  t.notOk(totals.count(last))
  t.notOk(totals.isFirstUnlisted(inside))
  t.ok(totals.isFirstUnlisted(last))
  t.equal(totals.status(), 'stored 22 files so far, 22.0 kB')
  t.equal(totals.total(ended(1)), 'stored 22 files, 22.0 kB in 2.00 s, 11.0 kB/s')
  const all = new TransferTotals('stored', true)
  all.count(connected(1))
  t.ok(all.count(inside), 'each file has a line where that is wanted')
})

t.test('adds a total to a directory only where it says something new', async (t) => {
  const leftOut = inDirectory(failed(1, 'd/x'), 'left-out')
  const unreadable = inDirectory(failed(1, 'd/x'), 'disk')
  const skipped = inDirectory(refused(1), 'skipped')
  const table: [events: TransferEvent[], total: string[]][] = [
    [[...storedDirectory(1, 3)], []],
    [[leftOut, leftOut, ...storedDirectory(1, 3)], []],
    [[skipped, skipped, ...storedDirectory(1, 3)], []],
    [[unreadable, unreadable, failed(1, 'd')], []],
    [[unreadable, failed(1, 'd'), stored(1)], ['stored 1 file, 1.00 kB in 2.00 s, 500 B/s; 1 failed']],
    [[...storedDirectory(1, 1), stored(1)], ['stored 2 files, 2.00 kB in 2.00 s, 1.00 kB/s']],
    [
      [leftOut, leftOut, skipped, ...storedDirectory(1, 1), stored(1), refused(1)],
      ['stored 2 files, 2.00 kB in 2.00 s, 1.00 kB/s; 2 refused, 2 left out'],
    ],
  ]
  for (const [events, total] of table) t.same(totalLines('stored', [connected(1), ...events, ended(1)]), total)
})

t.test('sums up what a dry run has found', async (t) => {
  const listed = (kind: 'file' | 'directory' | 'message', size: number | null): TransferEvent => {
    return { event: 'listed', path: 'a', name: 'a', kind, size }
  }
  const two = [listed('directory', null), listed('file', 1000), listed('message', 234), done]
  t.same(totalLines('sent', two), ['would send 2 files, 1.23 kB'])
  t.same(totalLines('sent', [listed('file', null), done]), ['would send 1 file, 0 B; 1 of unknown size'])
  t.same(totalLines('sent', [failed(0, 'a'), done]), [])
})

t.test('sums up all transfers at the end', async (t) => {
  const both = [connected(1), connected(2), stored(1), stored(2, 500), ended(1), ended(2), done]
  t.same(totalLines('stored', both), ['stored 2 files in all, 1.50 kB in 2 transfers'])
  const one = [connected(1), connected(2), stored(1), ended(1), ended(2), done]
  t.same(totalLines('stored', one), [])
})

t.test('forgets a stray connection, and what comes after the end', async (t) => {
  t.same(totalLines('stored', [refused(1), refused(1), ended(1)]), [])
  t.same(totalLines('stored', [connected(1), ended(1), failed(1, 'a'), failed(1, 'b'), ended(1), done]), [])
})

t.test('takes what was there before out of the speed of a transfer', async (t) => {
  const resumed = { ...stored(1, 9000), resumed: 6000 } as TransferEvent
  t.same(totalLines('stored', [connected(1), stored(1), resumed, ended(1)]), [
    'stored 2 files, 10.0 kB, of which 6.00 kB was there before, in 2.00 s, 2.00 kB/s',
  ])
})

t.test('says what a transfer was on the wire, of which some was compressed', async (t) => {
  const compressed = { ...stored(1, 9000), resumed: 6000, wire: 500 } as TransferEvent
  t.same(totalLines('stored', [connected(1), stored(1), compressed, ended(1)]), [
    'stored 2 files, 10.0 kB, of which 6.00 kB was there before, in 2.00 s, 2.00 kB/s, 1.50 kB on the wire',
  ])
})
