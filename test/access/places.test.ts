/** The places of a listener, and who loses one to whom. */
import t from 'tap'
import { type Holder, IDLE, Places } from '../../dist/access/places.js'
import type { TransferError } from '../../dist/errors.js'

class Scripted implements Holder {
  readonly failures: TransferError[] = []
  readonly motion: { idle: number; hasBegun: boolean }

  constructor(idle: number, hasBegun = true) {
    this.motion = { idle, hasBegun }
  }

  fail(error: TransferError): void {
    this.failures.push(error)
  }
}

/** Places that are all taken by these. */
function takenBy(holders: Scripted[], { maxPerPeer = holders.length, network = (_: number) => 'a' } = {}): Places {
  const places = new Places({ maxConnections: holders.length, maxPerPeer })
  for (const [index, holder] of holders.entries()) places.take(holder, network(index))
  return places
}

/** Those that have lost their places. */
const lost = (holders: Scripted[]) => holders.flatMap(({ failures }, index) => (failures.length > 0 ? [index] : []))

t.test('gives the place of whoever has moved least recently to a newcomer, and says so', async (t) => {
  const holders = [new Scripted(6_000), new Scripted(12_345), new Scripted(100), new Scripted(12_344)]
  const places = takenBy(holders)
  const newcomer = new Scripted(0)
  t.equal(places.take(newcomer, 'b'), null)
  t.strictSame(lost(holders), [1])
  const message = 'it gave the place to another connection after 12 seconds without progress (--max-connections)'
  t.match(holders[1]?.failures, [{ code: 'refused', reason: 'busy', message, peerMessage: message }])
  t.strictSame([...places.holders], [holders[0], holders[2], holders[3], newcomer])
})

t.test('takes the places of those first that have not said what they want', async (t) => {
  const holders = [new Scripted(60_000), new Scripted(6_000, false), new Scripted(7_000, false), new Scripted(50_000)]
  const places = takenBy(holders)
  for (const expected of [[2], [1, 2], [0, 1, 2], [0, 1, 2, 3]]) {
    t.equal(places.take(new Scripted(0), 'b'), null)
    t.strictSame(lost(holders), expected)
  }
  t.match(places.take(new Scripted(0), 'b'), { reason: 'busy' }, 'the newcomers move')
})

t.test('takes no place of one that moves', async (t) => {
  const holders = [new Scripted(0, false), new Scripted(IDLE - 1), new Scripted(IDLE - 1, false)]
  const places = takenBy(holders)
  const message = 'it has 3 connections already (--max-connections)'
  t.match(places.take(new Scripted(0), 'b'), { code: 'refused', reason: 'busy', message })
  t.strictSame(lost(holders), [])
  ;(holders[1] as Scripted).motion.idle = IDLE
  t.equal(places.take(new Scripted(0), 'b'), null)
  t.strictSame(lost(holders), [1])
})

t.test('limits the connections of one peer, and takes the places of no other for them', async (t) => {
  const holders = [new Scripted(90_000), new Scripted(0), new Scripted(0), new Scripted(0)]
  const places = new Places({ maxConnections: 9, maxPerPeer: 2 })
  for (const [index, holder] of holders.entries()) places.take(holder, index < 2 ? 'a' : 'b')
  const message = 'it has 2 connections from your address already (--max-per-peer)'
  t.match(places.take(new Scripted(0), 'b'), { code: 'refused', reason: 'busy', message, peerMessage: message })
  t.strictSame(lost(holders), [])
  t.equal(places.take(new Scripted(0), 'a'), null)
  t.strictSame(lost(holders), [0])
  t.match(holders[0]?.failures, [{ message: /after 90 seconds without progress \(--max-per-peer\)$/ }])
  t.equal(places.take(new Scripted(0), 'c'), null)
})

t.test('makes a place free once', async (t) => {
  const [first, second] = [new Scripted(0), new Scripted(0)]
  const places = new Places({ maxConnections: 5, maxPerPeer: 2 })
  places.take(first, 'a')
  places.take(second, 'a')
  places.leave(first)
  places.leave(first)
  t.equal(places.take(new Scripted(0), 'a'), null)
  t.match(places.take(new Scripted(0), 'a'), { reason: 'busy' })
  places.leave(second)
  t.equal(places.take(new Scripted(0), 'a'), null)
})
