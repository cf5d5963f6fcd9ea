/** Receivers that answer wrongly to a sender that asks what they have of a file: it sends no other bytes, and ends. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { fakeClock } from '../fixtures/clock.ts'
import { type Ended, trySend } from '../fixtures/ends.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { listenAsPeer, type Peer } from '../fixtures/peer.ts'
import { digest, type Frame, frame } from '../fixtures/peer-frames.ts'
import { settle } from '../fixtures/turns.ts'

const content = bytesOf(1_049_628)
const size = content.length
const HALF = 524_288
const opening = (features: string[] = ['resume', 'kept']) =>
  Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1, features })])
const wanted = (ranges: number[], more: object = {}) => frame('W', { entry: 0, ranges, ...more })
const stored = (more: object = {}) =>
  frame('S', { entry: 0, name: 'file.bin', bytes: size, blake3: digest(content), ...more })
const refused = (entry: number, reason: string) => frame('R', { entry, reason, message: 'no' })

/** Sends the file to a receiver that follows the script. Returns what the sender has said, too. */
async function sendTo(
  t: Test,
  script: (peer: Peer) => Promise<void>,
  options: Partial<SendOptions> = {},
): Promise<Ended & { said: Frame[] }> {
  const path = join(t.testdir({ 'file.bin': content }), 'file.bin')
  let said: Frame[] = []
  const { port } = await listenAsPeer(t, async (peer) => {
    await script(peer).catch(() => {})
    await peer.ended
    said = peer.frames
    peer.socket.destroy()
  })
  const ended = await trySend(t, port, path, { retry: 0, ...options })
  return { ...ended, said }
}

const typesOf = (said: readonly Frame[]) => said.flatMap(({ type }) => (type === 'B' ? [] : [type])).join('')
const bytesSent = (said: readonly Frame[]) =>
  said.filter(({ type }) => type === 'D').reduce((sum, { bytes }) => sum + bytes.length, 0)

const impossible = /^the receiver wants something of entry 0 that it cannot get$/

/** What comes instead of the one right answer, and what the sender makes of it. */
const answers: Record<string, [frames: Buffer[], message: RegExp]> = {
  'a range beyond the end': [[wanted([0, size + 1024])], impossible],
  'a range behind the end': [[wanted([1_049_600 + 1024, 1_049_600 + 2048])], impossible],
  'a range that begins within a chunk': [[wanted([HALF + 1, size])], impossible],
  'a range that ends within a chunk': [[wanted([0, HALF + 1])], impossible],
  'an empty range': [[wanted([HALF, HALF])], /^"ranges" of the wanted frame must be the ends of at most 100 ranges/],
  'ranges in another order': [[wanted([HALF, size, 0, 1024])], /^"ranges" of the wanted frame/],
  'ranges that touch': [[wanted([0, 1024, 1024, 2048])], /^"ranges" of the wanted frame/],
  'half of a range': [[wanted([0])], /^"ranges" of the wanted frame/],
  'a negative range': [[wanted([-1024, 1024])], /^"ranges" of the wanted frame/],
  'too many ranges': [
    [wanted(Array.from({ length: 202 }, (_, index) => 1024 * index))],
    /^"ranges" of the wanted frame/,
  ],
  'two answers at once': [[wanted([HALF, size]), wanted([0, size])], impossible],
  'a confirmation': [[stored()], /^the receiver confirmed entry 0, which it was not sent$/],
  'a frame of a sender': [[frame('P', { offset: 1024 })], /^a position frame may not come from a receiver$/],
  'digests of a sender': [[frame('V', { digests: [digest('')] })], /^a digests frame may not come from a receiver$/],
}

for (const [what, [frames, message]] of Object.entries(answers)) {
  t.test(`fails at a receiver that answers ${what}`, async (t) => {
    let told: unknown
    const { error, said, events } = await sendTo(t, async (peer) => {
      await peer.write(opening())
      await peer.next('H')
      await peer.write(...frames)
      told = (await peer.next('A')).fields
    })
    t.match(error, { code: 'incomplete', exitCode: 6, reason: 'protocol', message })
    t.match(told, { entry: null, reason: 'protocol', message })
    t.equal(bytesSent(said), 0, 'nothing is sent')
    t.strictSame(events.of('sent'), [])
  })
}

t.test('fails at a receiver that changes its mind when the data come', async (t) => {
  const { error, events } = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    await peer.write(wanted([HALF, size]))
    await peer.next('E')
    await peer.write(wanted([0, size]))
  })
  t.match(error, { code: 'incomplete', reason: 'protocol', message: impossible })
  t.strictSame(events.of('sent'), [])
})

t.test('fails at a receiver that wants parts of a file for which nobody asked', async (t) => {
  for (const features of [[], ['resume'], ['kept']]) {
    const { error, said } = await sendTo(t, async (peer) => {
      await peer.write(opening(features))
      const { fields } = await peer.next('H')
      t.equal(fields.resume, undefined)
      t.equal('source' in fields, features.includes('resume'), 'who does not go on learns no source')
      await peer.write(wanted([HALF, size]))
    })
    t.match(error, { code: 'incomplete', reason: 'protocol', message: impossible })
    t.equal(typesOf(said).includes('P'), false)
  }
})

t.test('sends what is wanted, and believes no confirmation of something else', async (t) => {
  const { error, said } = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    await peer.write(wanted([1024, 2048, HALF, size]))
    await peer.next('E')
    await peer.write(stored({ blake3: digest('another') }))
  })
  t.match(error, { code: 'digest-mismatch', exitCode: 7, reason: 'digest' })
  t.match(typesOf(said), /^GHPDPD+EF$/)
  t.strictSame(
    said.filter(({ type }) => type === 'P').map(({ fields }) => fields.offset),
    [1024, HALF],
  )
  const data = Buffer.concat(said.flatMap(({ type, bytes }) => (type === 'D' ? [bytes] : [])))
  t.ok(data.equals(Buffer.concat([content.subarray(1024, 2048), content.subarray(HALF)])))
})

t.test('sends the end alone to a receiver that wants nothing, and needs its digest', async (t) => {
  const { error, said, events } = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    await peer.write(wanted([]))
    t.match((await peer.next('E')).fields, { bytes: size, blake3: digest(content) })
    await peer.write(stored())
    await peer.next('F')
    peer.finish()
  })
  t.equal(error, undefined)
  t.equal(typesOf(said), 'GHEF')
  t.match(events.of('sent'), [{ resumed: size, verified: true }])
})

t.test('goes on with the next file if the receiver refuses to say what it wants', async (t) => {
  const { error, said } = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    // It comes too late for an entry that has its outcome.
    await peer.write(refused(0, 'exists'), wanted([HALF, size]), frame('W', { entry: 0, ranges: [3, 5] }))
  })
  t.match(error, { code: 'refused', reason: 'exists' })
  t.match(typesOf(said), /^GHAF$/)
})

t.test('sends a damaged file again once, with digests, and no third time', async (t) => {
  const { error, said, events } = await sendTo(
    t,
    async (peer) => {
      await peer.write(opening())
      await peer.next('H')
      await peer.write(wanted([HALF, size]))
      await peer.next('E')
      await peer.write(refused(0, 'damaged'))
      t.match((await peer.next('H')).fields, { id: 0, resume: 'compare' })
      t.strictSame((await peer.next('V')).fields, { digests: [digest(content)] })
      await peer.write(frame('W', { entry: 1, ranges: [0, size] }))
      await peer.next('E')
      await peer.write(refused(1, 'damaged'))
    },
    { retry: 1 },
  )
  t.match(error, { exitCode: 6, reason: 'damaged' })
  t.match(events.of('failed'), [{ name: 'file.bin', reason: 'damaged' }])
  t.match(events.of('warning'), [{ reason: 'damaged' }])
  t.match(typesOf(said), /^GHPD+EHVD+EF$/)
})

t.test('takes damage of what was never kept for a refusal', async (t) => {
  const { error, said } = await sendTo(t, async (peer) => {
    await peer.write(opening(['resume']))
    await peer.next('E')
    await peer.write(refused(0, 'damaged'))
  })
  t.match(error, { exitCode: 6, reason: 'damaged' })
  t.match(typesOf(said), /^GHD+EF$/)
})

t.test('fails when the receiver goes away instead of an answer', async (t) => {
  const { error } = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    peer.finish()
  })
  t.match(error, { code: 'incomplete', exitCode: 6, reason: 'broken' })
})

/** A receiver that greets and never says what it wants. It beats after each part of `parts`, and time passes. */
async function waitInVain(t: Test, options: Partial<SendOptions>, parts: number[], beat: Buffer): Promise<Ended> {
  const clock = fakeClock(t)
  const sent = await sendTo(
    t,
    async (peer) => {
      await peer.write(opening())
      await peer.next('H')
      for (const milliseconds of parts) {
        await peer.write(beat)
        await settle(20)
        clock.advance(milliseconds)
      }
    },
    options,
  )
  return sent
}

t.test('gives up on a receiver that falls silent instead of an answer', async (t) => {
  const { error } = await waitInVain(t, { timeout: 30_000 }, [30_000], Buffer.alloc(0))
  t.match(error, { code: 'timeout', exitCode: 9, message: /^no progress for 30 seconds/ })
})

t.test('gives up on a receiver that is alive and never answers', async (t) => {
  const options = { timeout: 20_000, stall: 60_000 }
  const { error } = await waitInVain(t, options, [15_000, 15_000, 15_000, 15_000], frame('B', { entry: 0, bytes: 0 }))
  t.match(error, { code: 'timeout', exitCode: 9, message: /\(--stall\)$/ })
})

t.test('takes as many answers as it has sent headers, and disconnects who sends many more', async (t) => {
  const answer = (entry: number) => frame('W', { entry, ranges: [] })
  const honest = await sendTo(t, async (peer) => {
    await peer.write(opening(), ...Array(99).fill(answer(7)))
    await peer.next('H')
    await peer.write(wanted([]))
    await peer.next('E')
    await peer.write(stored())
    await peer.next('F')
    peer.finish()
  })
  t.equal(honest.error, undefined, 'a few are ignored')
  const { error } = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    await peer.write(...Array(100_000).fill(answer(7)))
  })
  t.match(error, { code: 'incomplete', reason: 'protocol', message: /heartbeats and other frames to skip in/ })
})
