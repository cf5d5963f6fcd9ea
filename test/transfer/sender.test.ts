/** What a sender makes of entries that come one by one, and may fail to come. */
import t from 'tap'
import type { Entry } from '../../dist/sources/source.js'
import { Sender } from '../../dist/transfer/sender.js'
import { TransferReport } from '../../dist/transfer/transfer-report.js'
import { settle } from '../fixtures/turns.ts'

const fault = new RangeError('the folder cannot be read')

function entry(name: string): Entry {
  return { label: name, path: name, name, isOnce: false, open: () => Promise.reject(fault) }
}

/** Yields these entries and then fails. */
async function* failingAfter(...names: string[]): AsyncGenerator<Entry> {
  for (const name of names) yield entry(name)
  throw fault
}

function senderOf(entries: AsyncIterable<Entry>): Sender {
  const report = new TransferReport({ onEvent: () => {}, transfer: 1, peer: 'x' })
  return new Sender({ entries, report, expect: {}, allowUnverified: false })
}

t.test('keeps what fails to come until it is wanted, so that it cannot end the process', async (t) => {
  const sender = senderOf(failingAfter())
  await settle()
  await t.rejects(sender.next(), fault)
})

t.test('gives every entry that has come before it throws what made the next one fail', async (t) => {
  const sender = senderOf(failingAfter('a', 'b'))
  t.match(await sender.next(), { name: 'a' })
  t.match(await sender.next(), { name: 'b' })
  t.notOk(sender.isExhausted)
  await settle()
  await t.rejects(sender.next(), fault)
})
