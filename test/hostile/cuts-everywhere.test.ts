/**
 * The connection is cut at every byte of the control frames, of those inside a directory too, and at each frame's edge:
 * what is there is whole, and both ends say what has become of it.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { cutEdges, cutPlaces } from '../fixtures/cut-places.ts'
import { replaceDuring } from '../fixtures/disk.ts'
import { type Listening, startReceiver, trySend } from '../fixtures/ends.ts'
import { treeOf } from '../fixtures/folder.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { listenAsPeer, Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening } from '../fixtures/peer-frames.ts'
import { type Damage, type Direction, damagedPort } from '../fixtures/proxy.ts'
import { makeTree } from '../fixtures/tree.ts'
import { directoryFrames, tree } from '../fixtures/tree-frames.ts'
import { settle, until } from '../fixtures/turns.ts'

const large = 'x'.repeat(1_500)

/** What is sent, as the frames of its entry, and what is there then. */
const kinds = {
  file: { entry: entryFrames('file.txt', large), stored: { 'file.txt': large } },
  directory: {
    entry: directoryFrames('d', [
      tree.file('a', 'text'),
      tree.link('l', 'a'),
      tree.open('sub'),
      tree.streamed('large', large),
      tree.close(),
    ]),
    stored: { 'd/a': 'text', 'd/l': '-> a', 'd/sub/large': large },
  },
}

type Kind = keyof typeof kinds

const hows = ['end', 'reset'] as const
const names = Object.keys(kinds) as Kind[]
const cases = names.flatMap((kind) => hows.map((how) => ({ kind, how })))

/** True if a connection has ended since there were so many events. */
function isOver({ events }: Listening, before: number): boolean {
  return events.all.slice(before).some(({ event }) => event === 'ended' || event === 'refused')
}

function empty(out: string, stored: object): void {
  for (const path of Object.keys(stored))
    rmSync(join(out, path.split('/')[0] as string), { recursive: true, force: true })
}

for (const { kind, how } of cases) {
  t.test(`a receiver survives the ${how} of the sender of a ${kind}, wherever it comes`, async (t) => {
    // What fsync does cannot be seen without a loss of power, and takes most of the time.
    replaceDuring(t, 'fsync', () => async () => {})
    const { entry, stored } = kinds[kind]
    const finished = frame('F', { entries: 1 })
    const whole = Buffer.concat([senderOpening, ...entry, finished])
    const header = senderOpening.length + (entry[0] as Buffer).length
    const out = t.testdir()
    const receiver = await startReceiver(t, { out })
    const leftOpen = watchOpenFiles(out)
    for (const place of cutPlaces(whole, kind === 'directory')) {
      const before = receiver.events.all.length
      const peer = await Peer.dial(t, receiver.port)
      await peer.write(whole.subarray(0, place))
      if (how === 'end') peer.finish()
      else await settle().then(() => peer.reset())
      await peer.closed
      if (place > 0) await until(() => isOver(receiver, before))
      const news = receiver.events.all.slice(before)
      const failures = news.flatMap((event) => (event.event === 'refused' || event.event === 'failed' ? [event] : []))
      const there = treeOf(out)
      const told = peer.frames.map(({ type, fields }) => fields.reason ?? type)
      const isStored = news.some(({ event }) => event === 'stored')
      const hasEnd = place >= whole.length - finished.length
      const isWhole = place === whole.length
      const isFailed = how === 'end' ? place > 0 && !isWhole : failures.length > 0
      const actual = {
        there,
        isStored,
        told,
        failures: failures.map(({ event, code, reason }) => ({ event, code, reason })),
      }
      const event = how === 'end' ? (place < header ? 'refused' : 'failed') : failures[0]?.event
      const expected = {
        there: isStored ? stored : {},
        // A reset can take with it what came before, so only what must not be is said of it.
        isStored: how === 'end' ? hasEnd : isStored && hasEnd,
        told: how === 'end' ? ['G', ...(hasEnd ? ['S'] : []), ...(isWhole ? [] : ['broken'])] : told,
        failures: isFailed ? [{ event, code: 'incomplete', reason: 'broken' }] : [],
      }
      t.strictSame(actual, expected, `cut at ${place} of ${whole.length}`)
      if (how === 'reset' && place > 0 && !isWhole) t.ok(isFailed, 'and the reset is told')
      empty(out, stored)
    }
    const good = await Peer.dial(t, receiver.port)
    good.finish(whole)
    t.match((await good.next('S')).fields, { entry: 0 })
    await good.closed
    await receiver.stop()
    t.strictSame(treeOf(out), stored)
    t.strictSame(await leftOpen(), [])
  })
}

/** A file and a directory to send. */
function sources(t: Test): Record<Kind, string> & { folder: string; out: string } {
  const folder = makeTree(t.testdir(), {
    'file.txt': large,
    ...{ 'd/a': 'text', 'd/l': { to: 'a' }, 'd/sub/large': large },
    'out/': '',
  })
  return { folder, out: join(folder, 'out'), file: join(folder, 'file.txt'), directory: join(folder, 'd') }
}

const opening = Buffer.concat([
  Buffer.from('tcp-recv'),
  frame('G', { version: 1, software: 'test', features: ['directories'] }),
  frame('B', {}),
])

for (const { kind, how } of cases) {
  t.test(
    `a sender of a ${kind} confirms nothing if its receiver ends by ${how} before the answer is whole`,
    async (t) => {
      const paths = sources(t)
      let length = opening.length + 1
      for (let cut = 0; cut <= length; cut++) {
        const listener = await listenAsPeer(t, async (peer) => {
          await peer.write(opening.subarray(0, cut))
          if (cut > opening.length) {
            const { bytes, blake3 } = (await peer.next('E')).fields
            const answer = frame('S', { entry: 0, name: 'x', bytes, blake3 })
            length = opening.length + answer.length
            await peer.write(answer.subarray(0, cut - opening.length))
          } else if (cut < opening.length && kind === 'file') {
            await peer.next('H')
          }
          if (how === 'end') return peer.finish()
          await settle()
          await peer.reset()
        })
        const { error, summary, events } = await trySend(t, listener.port, paths[kind])
        const at = `cut at ${cut} of ${length}`
        if (cut < length) {
          t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' }, at)
          t.match(events.of('failed'), [{ code: 'incomplete', reason: 'broken' }], at)
          t.strictSame(events.of('sent'), [], at)
        } else if (how === 'end') {
          t.match(summary, { files: kind === 'file' ? 1 : 2 }, at)
        }
      }
    },
  )
}

for (const kind of names) {
  t.test(`both real ends fail if the network between them breaks in a ${kind}, or both succeed`, async (t) => {
    replaceDuring(t, 'fsync', () => async () => {})
    const { out, folder, ...paths } = sources(t)
    const receiver = await startReceiver(t, { out })
    const { stored } = kinds[kind]
    const send = async (damage: Damage) => {
      const before = receiver.events.all.length
      const outcome = await trySend(t, await damagedPort(t, receiver.port, damage), paths[kind], { retry: 0 })
      return { ...outcome, before }
    }
    const passed: Record<Direction, Buffer> = { 'to-receiver': Buffer.alloc(0), 'to-sender': Buffer.alloc(0) }
    const change: NonNullable<Damage['change']> = (direction, bytes) => {
      passed[direction] = Buffer.concat([passed[direction], bytes])
      return bytes
    }
    t.match((await send({ change })).summary, { files: kind === 'file' ? 1 : 2 })
    t.strictSame(treeOf(out), stored)
    for (const direction of ['to-receiver', 'to-sender'] as const) {
      const whole = passed[direction]
      for (const after of cutEdges(whole, kind === 'directory')) {
        for (const how of hows) {
          empty(out, stored)
          const { error, before } = await send({ cut: { direction, after, how } })
          await until(() => isOver(receiver, before))
          const news = receiver.events.all.slice(before)
          const isStored = news.some(({ event }) => event === 'stored')
          const at = `${how} after ${after} of ${whole.length} bytes ${direction}`
          t.strictSame(treeOf(out), isStored ? stored : {}, at)
          if (error) t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' }, at)
          else t.ok(isStored, at)
          // The answer is the last that it hears.
          if (direction === 'to-sender' && after < whole.length) t.ok(error, at)
          if (!isStored)
            t.match(
              news.filter(({ event }) => event === 'refused' || event === 'failed'),
              [{ reason: 'broken' }],
              at,
            )
        }
      }
    }
  })
}
