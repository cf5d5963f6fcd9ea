/** A receiving transfer, which outlives each of its links. */
import t from 'tap'
import { Turn } from '../../dist/net/turn.js'
import type { Destination, Store } from '../../dist/stores/store.js'
import type { Policy } from '../../dist/transfer/policy.js'
import { Receiver } from '../../dist/transfer/receiver.js'
import { TransferReport } from '../../dist/transfer/transfer-report.js'
import { header } from '../fixtures/folder-store.ts'

/** A destination that counts what is done with it. `open` fails as often as `failures` says. */
function counting({ failures = 0 } = {}) {
  const seen = { opened: 0, closed: 0, signal: new AbortController().signal }
  const sink = {
    have: 0,
    hasChanged: false,
    readAt: async () => 0,
    write: () => true,
    writeLater: async () => {},
    commit: async () => ({ name: 'a', path: 'a' }),
    keep: async () => null,
    discard: async () => {},
  }
  const store: Store = {
    begin: async () => sink,
    beginTree: async () => {
      throw new Error('no directory is sent here')
    },
    close: async () => void seen.closed++,
  }
  const destination: Destination = {
    hasNames: true,
    isOnce: false,
    isUsed: false,
    prepare: async () => [],
    hasKept: async () => false,
    open: async (signal) => {
      seen.opened++
      seen.signal = signal
      if (seen.opened <= failures) throw new Error('not now')
      return store
    },
    close: async () => {},
  }
  const policy: Policy = {
    accept: [],
    maxSize: 10,
    maxFiles: 10,
    maxDepth: 64,
    takesFiles: true,
    takesMessages: true,
    hasNames: false,
    names: { allowHidden: false, platform: 'linux' },
    allowUnverified: false,
    expect: {},
  }
  const report = new TransferReport({ onEvent: () => {}, transfer: 1, peer: 'x' })
  return { receiver: new Receiver({ policy, destination, report }), seen }
}

const first = { ...header(), frame: 'header' as const, payload: null }

t.test('closes its store with the last link, and ends waits when the last one has failed', async (t) => {
  const { receiver, seen } = counting()
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()]
  for (const { signal } of [one, two, three]) receiver.join(signal)
  await receiver.begin(0, first, 'blake3', new Turn())
  await receiver.begin(1, first, 'blake3', new Turn())
  t.equal(seen.opened, 1)
  await receiver.leave(one.signal)
  two.abort(new Error('broken'))
  t.equal(seen.signal.aborted, false, 'the third link goes on')
  three.abort(new Error('broken, too'))
  t.match(seen.signal.reason, { message: 'broken, too' })
  await receiver.leave(two.signal)
  t.equal(seen.closed, 0)
  await receiver.leave(three.signal)
  t.equal(seen.closed, 1)
})

t.test('tries again for the next entry to open what could not be opened', async (t) => {
  const { receiver, seen } = counting({ failures: 1 })
  const { signal } = new AbortController()
  receiver.join(signal)
  await t.rejects(receiver.begin(0, first, 'blake3', new Turn()), /not now/)
  await receiver.begin(1, first, 'blake3', new Turn())
  t.equal(seen.opened, 2)
  await receiver.leave(signal)
  t.equal(seen.closed, 1)
})

t.test('has nothing to close where nothing was stored', async (t) => {
  const { receiver, seen } = counting()
  const { signal } = new AbortController()
  receiver.join(signal)
  await receiver.leave(signal)
  t.strictSame([seen.opened, seen.closed], [0, 0])
})
