/** The way in of a directory, without a connection or a disk. */
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Turn } from '../../dist/net/turn.js'
import { createDigest } from '../../dist/transfer/digest.js'
import type { Policy } from '../../dist/transfer/policy.js'
import { ProgressReport } from '../../dist/transfer/progress-report.js'
import { TreeIntake } from '../../dist/transfer/tree-intake.js'
import { TreeRecord } from '../../dist/transfer/tree-record.js'
import { header } from '../fixtures/folder-store.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { tree } from '../fixtures/tree-frames.ts'

const policy: Policy = {
  accept: [],
  maxSize: 100,
  maxFiles: 1_000,
  maxDepth: 2,
  takesFiles: true,
  takesMessages: false,
  hasNames: true,
  names: { allowHidden: false, platform: 'linux' },
  allowUnverified: false,
  expect: {},
}

t.test('lets others work while it stores many small files that came at once', async (t) => {
  const clock = fakePerformanceNow(t)
  const never = async () => t.fail('there are only small files')
  let stored = 0
  const sink = {
    file: () => {
      stored++
      // As long as a slow disk takes.
      clock.pass(1)
      return undefined
    },
    ...{ enter: never, leave: never, symlink: never, commit: never, discard: async () => {} },
    begin: never,
  } as never
  const record = await TreeRecord.create(Buffer.from('{}'))
  const seen: number[] = []
  const progress = new ProgressReport((event) => event.event === 'progress' && seen.push(event.files ?? 0), {
    ...{ transfer: 1, name: 'd', size: null },
  })
  const turns = { turn: new Turn(), count: () => {} }
  const steps = { policy, sink, digest: await createDigest(), record, progress, ...turns, kept: null }
  const head = { frame: 'header', payload: null, ...header({ kind: 'directory', name: 'd', size: null }) } as const
  const intake = new TreeIntake(0, head, steps)
  const files = Array.from({ length: 500 }, (_, index) => tree.file(`${1_000 + index}`, 'x'))

  let isOver = false
  const taking = Promise.resolve(intake.take(Buffer.concat(files))).then(() => {
    isOver = true
  })
  const seenTurns: number[] = []
  while (!isOver) {
    seenTurns.push(stored)
    await turn()
  }
  await taking
  t.equal(stored, 500)
  t.equal(intake.bytes, 500, 'the bytes of the files, and not of the frames around them')
  const longest = Math.max(...seenTurns.map((files, index) => files - (seenTurns[index - 1] ?? 0)))
  t.ok(longest <= 20, `no more than some files are stored in one turn: ${longest}`)
  t.strictSame(seen, [0, 200, 400], 'and progress is reported meanwhile')
  await intake.discard()
})
