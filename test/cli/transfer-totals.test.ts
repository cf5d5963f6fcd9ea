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
