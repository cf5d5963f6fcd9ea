/** Numbers that are none, and numbers at and over their limits, in every field of every frame: refused on either side. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startReceiver } from '../fixtures/ends.ts'
import { type ControlFrame, frameName, withField } from '../fixtures/fields.ts'
import { filesIn, namesIn } from '../fixtures/folder.ts'
import { textFrame } from '../fixtures/literals.ts'
import { Peer } from '../fixtures/peer.ts'
import { entryFrames, frame, senderOpening, transferFrames } from '../fixtures/peer-frames.ts'
import { sendTo } from '../fixtures/scripted-receiver.ts'
import { until } from '../fixtures/turns.ts'

/** What JSON can say and no field takes. */
const wrong = ['-1', '1.5', '"12"', 'true', '[]', '{}', '1e400', '9007199254740993', '9223372036854775808']
/** A time may be before 1970. */
const wrongTimes = [...wrong.filter((number) => number !== '-1'), '1e20', '-1e20', '8640000000000001']

const header = frame('H', { name: 'bad.txt', size: null })

/** What a sender says: the frames before the wrong one, and that. */
const ofSenders: [ControlFrame, string, Buffer, string, string[]][] = [
  ['greeting', 'version', Buffer.from('tcp-send'), 'G', [...wrong, '0', 'null']],
  ['header', 'size', senderOpening, 'H', wrong],
  ['header', 'mode', senderOpening, 'H', [...wrong, '65536', '1e9']],
  ['header', 'mtime', senderOpening, 'H', wrongTimes],
  ['end', 'bytes', Buffer.concat([senderOpening, header]), 'E', [...wrong, 'null']],
  ['abort', 'entry', Buffer.concat([senderOpening, header]), 'A', wrong],
  ['finished', 'entries', senderOpening, 'F', [...wrong, 'null']],
]

t.test('a receiver takes no wrong number', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  for (const [name, field, before, letter, numbers] of ofSenders) {
    for (const number of numbers) {
      const seen = receiver.events.all.length
      const peer = await Peer.dial(t, receiver.port)
      peer.finish(before, textFrame(letter, withField(name, field, number)))
      const message = new RegExp(`^"${field}" of the ${frameName(name)} frame must be `)
      t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol', message }, `${field} ${number}`)
      t.equal(await peer.ended, 'end')
      await peer.closed
      const news = () => receiver.events.all.slice(seen).filter((event) => 'reason' in event)
      await until(() => news().length > 0)
      const told = news()
      t.match(told, [{ code: 'incomplete', reason: 'protocol', message }], 'it is reported once')
      t.equal(told.length, 1)
    }
  }
  const good = await Peer.dial(t, receiver.port)
  good.finish(...transferFrames({ good: 'good' }))
  t.match((await good.next('S')).fields, { name: 'good' })
  await good.closed
  await receiver.stop()
  t.strictSame(filesIn(out), { good: 'good' })
})

/** What a receiver says. */
const ofReceivers: [ControlFrame, string, string, string[]][] = [
  ['receiverGreeting', 'version', 'G', [...wrong, '0', 'null']],
  ['stored', 'entry', 'S', [...wrong, 'null']],
  ['stored', 'bytes', 'S', [...wrong, 'null']],
  ['refused', 'entry', 'R', wrong],
  ['heartbeat', 'entry', 'B', wrong],
  ['heartbeat', 'bytes', 'B', wrong],
]

t.test('a sender takes no wrong number', async (t) => {
  for (const [name, field, letter, numbers] of ofReceivers) {
    for (const number of numbers) {
      const opening = letter === 'G' ? 'tcp-recv' : Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1 })])
      const { error } = await sendTo(t, async (peer) => {
        await peer.next('H')
        await peer.write(opening, textFrame(letter, withField(name, field, number)))
      })
      const message = new RegExp(`"${field}" of the ${frameName(name)} frame must be `)
      t.match(error, { code: 'incomplete', exitCode: 6, reason: 'protocol', message }, `${letter} ${field} ${number}`)
    }
  }
})

t.test('a file gets no set-id bits, and any time', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const times = [8.64e15, -8.64e15, -1, 0, 1.7e12 + 1, null]
  const modes = [0o4755, 0o2777, 0o1777, 0o7777, 0o177777, 0o0, null]
  const attributes = modes.flatMap((mode) => times.map((mtime) => ({ mode, mtime })))
  const peer = await Peer.dial(t, receiver.port)
  const entries = attributes.flatMap((more, index) => entryFrames(`${index}`, 'x', more))
  peer.finish(senderOpening, ...entries, frame('F', { entries: attributes.length }))
  await peer.closed
  await receiver.stop()
  t.equal(peer.frames.filter(({ type }) => type === 'S').length, attributes.length)
  for (const [index, { mode }] of attributes.entries()) {
    const bits = statSync(join(out, `${index}`)).mode & 0o7777
    t.equal(bits & ~0o777, 0)
    if (mode !== null) t.equal(bits, (mode & 0o777 & ~process.umask()) | 0o400, mode.toString(8))
  }
})

t.test('takes frames of the largest size, and none that is larger', async (t) => {
  const out = t.testdir()
  const receiver = await startReceiver(t, { out })
  const padded = (length: number) => {
    const json = JSON.stringify({ name: 'large', size: null, later: '' })
    return textFrame('H', json.replace('""', `"${'x'.repeat(length - json.length)}"`))
  }
  const largest = Buffer.alloc(1_048_576, 'x')
  const whole = entryFrames('large', largest)
  const peer = await Peer.dial(t, receiver.port)
  peer.finish(senderOpening, padded(65_536), ...whole.slice(1), frame('F', { entries: 1 }))
  t.match((await peer.next('S')).fields, { name: 'large', bytes: 1_048_576 })
  await peer.closed
  for (const [frames, limit] of [
    [[padded(65_537)], 65_536],
    [[padded(65_536), frame('D', Buffer.concat([largest, Buffer.of(0)]))], 1_048_576],
  ] as const) {
    const peer = await Peer.dial(t, receiver.port)
    peer.finish(senderOpening, ...frames)
    const message = new RegExp(`over the limit of ${limit}$`)
    t.match((await peer.next('R')).fields, { entry: null, reason: 'protocol', message })
    await peer.closed
  }
  await receiver.stop()
  t.strictSame(namesIn(out), ['large'])
})
