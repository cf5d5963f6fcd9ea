/** A directory with very many files: while they are reported, the event loop has its turns, and the order stays right. */

import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { TransferEvent } from '../../dist/events.js'
import { startReceiver, trySend } from '../fixtures/ends.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'
import { makeTree } from '../fixtures/tree.ts'

const FILES = 60

/** Each event about a file in a directory takes this end 5 ms. */
function slowly(t: Test, kind: 'sent' | 'stored'): { onEvent: (event: TransferEvent) => void; longest: () => number } {
  const { now } = performance
  let ahead = 0
  replaceProperty(t, performance, 'now', { value: () => now.call(performance) + ahead })
  let inTurn = 0
  let longest = 0
  let isOver = false
  const count = async () => {
    while (!isOver) {
      inTurn = 0
      await turn()
    }
  }
  void count()
  t.teardown(() => {
    isOver = true
  })
  const onEvent = (event: TransferEvent) => {
    if (event.event !== kind || event.directory === undefined) return
    ahead += 5
    longest = Math.max(longest, ++inTurn)
  }
  return { onEvent, longest: () => longest }
}

function prepare(t: Test): { sources: string[]; out: string; kinds: (events: TransferEvent[]) => string[] } {
  const folder = t.testdir({ out: {} })
  const files = Array.from({ length: FILES }, (_, index) => [`project/${100 + index}`, `${index}`] as const)
  makeTree(folder, { ...Object.fromEntries(files), 'next/x': 'x', last: 'x' })
  const sources = ['project', 'next', 'last'].map((name) => join(folder, name))
  /** The events about what was sent or stored, and the end, each as a word. */
  const kinds = (events: TransferEvent[]) =>
    events.flatMap((event) =>
      event.event === 'sent' || event.event === 'stored'
        ? [event.name]
        : /^(ended|done)$/.test(event.event)
          ? [event.event]
          : [],
    )
  return { sources, out: join(folder, 'out'), kinds }
}

const inOrder = [
  ...Array.from({ length: FILES }, (_, index) => `project/${100 + index}`),
  ...['project', 'next/x', 'next', 'last', 'ended', 'done'],
]

for (const [side, kind] of [
  ['sender', 'sent'],
  ['receiver', 'stored'],
] as const) {
  t.test(`the ${side} has its turns, and both ends report everything in its order`, async (t) => {
    const { sources, out, kinds } = prepare(t)
    const slow = slowly(t, kind)
    const receiver = await startReceiver(t, {
      out,
      count: 1,
      ...(side === 'receiver' ? { onEvent: slow.onEvent } : {}),
    })
    const sent = await trySend(t, receiver.port, sources, side === 'sender' ? { onEvent: slow.onEvent } : {})
    const received = await receiver.ended
    for (const { summary } of [sent, received]) t.match(summary, { files: FILES + 2 })
    t.strictSame(kinds(sent.events.all), inOrder)
    t.strictSame(kinds(receiver.events.all), inOrder)
    t.ok(slow.longest() <= 5, `at most some events in one turn: ${slow.longest()}`)
  })
}

t.test('a sender reports all of the last directory, although its connection is over meanwhile', async (t) => {
  const { sources, out, kinds } = prepare(t)
  const slow = slowly(t, 'sent')
  const receiver = await startReceiver(t, { out, count: 1 })
  const sent = await trySend(t, receiver.port, sources.slice(0, 1), { onEvent: slow.onEvent })
  await receiver.ended
  t.match(sent.summary, { files: FILES })
  t.strictSame(kinds(sent.events.all), [...inOrder.slice(0, FILES + 1), 'ended', 'done'])
})

t.test('what onEvent throws in a later turn ends the call, on either side', async (t) => {
  for (const side of ['sender', 'receiver'] as const) {
    for (const count of [1, 3]) {
      const { sources, out } = prepare(t)
      const slow = slowly(t, side === 'sender' ? 'sent' : 'stored')
      const onEvent = (event: TransferEvent) => {
        slow.onEvent(event)
        if ('name' in event && event.name === 'project/150' && event.event !== 'progress') throw new Error('it is full')
      }
      const receiver = await startReceiver(t, { out, oneAttempt: true, ...(side === 'receiver' ? { onEvent } : {}) })
      const sent = await trySend(t, receiver.port, sources.slice(0, count), side === 'sender' ? { onEvent } : {})
      const received = await receiver.ended
      const { error } = side === 'sender' ? sent : received
      t.match(error, { code: 'internal', message: /it is full/ }, `${side}, ${count}`)
    }
  }
})
