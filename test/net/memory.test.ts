/** Whoever is first has memory of its own; all others share, and what is to last is copied only there. */
import t from 'tap'
import { giveBack, readable, retain, takeMemory } from '../../dist/net/memory.js'

t.test('gives memory of its own to one at a time, and one memory to all others', async (t) => {
  const own = takeMemory()
  const shared = takeMemory()
  t.not(own, shared)
  t.equal(takeMemory(), shared)
  giveBack(shared, true)
  t.equal(takeMemory(), shared, 'the own one is still taken')
  giveBack(own, true)
  t.equal(takeMemory(), own)
  for (const memory of [own, shared, shared]) giveBack(memory, true)
})

t.test('never gives memory again from which something may still be written', async (t) => {
  const own = takeMemory()
  giveBack(own, false)
  const next = takeMemory()
  t.not(next, own)
  t.equal(next.length, own.length)
  giveBack(next, true)
})

t.test('copies what is to be kept out of shared memory, and nothing else', async (t) => {
  const own = takeMemory()
  const shared = takeMemory()
  const piece = shared.subarray(10, 20).fill('a')
  const kept = retain(piece)
  shared.fill('b')
  t.equal(kept.toString(), 'aaaaaaaaaa')
  t.equal(retain(kept), kept)
  const ours = own.subarray(10, 20)
  t.equal(retain(ours), ours)
  const other = Buffer.from('other')
  t.equal(retain(other), other)
  for (const memory of [own, shared]) giveBack(memory, true)
})

t.test('lets one read fill all of it while there is one connection, and half a megabyte beside others', async (t) => {
  const own = takeMemory()
  t.equal(readable(own), own)
  const shared = takeMemory()
  t.equal(readable(own).length, 512 * 1024)
  t.equal(readable(own).buffer, own.buffer)
  t.equal(readable(shared).length, 512 * 1024)
  giveBack(shared, true)
  t.equal(readable(own), own)
  giveBack(own, true)
})
