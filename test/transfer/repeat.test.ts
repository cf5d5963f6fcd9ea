/** An entry that was stored already, and comes again. */
import t from 'tap'
import type { HeaderMessage } from '../../dist/links/link.js'
import { SEGMENT } from '../../dist/protocol/limits.js'
import { Repeat } from '../../dist/transfer/repeat.js'

const header = { name: 'a' } as HeaderMessage
const answer = { entry: 3, name: 'a', bytes: 5, blake3: 'digest' }

t.test('wants nothing, drops what comes, and gives the same answer', async (t) => {
  const repeat = new Repeat(0, header, answer)
  t.strictSame(repeat.want(), { ranges: [] })
  for await (const item of repeat.list()) t.fail(`${item} is listed`)
  repeat.place()
  repeat.take(Buffer.from('hel'))
  t.equal(repeat.bytes, 3)
  repeat.take(Buffer.from('lo'))
  const expected = { name: 'a', bytes: 5, blake3: 'digest', sha256: null, isVerified: true, isRepeated: true }
  t.match(await repeat.finish({ bytes: 5, blake3: 'digest' }), expected)
})

t.test('answers the digests of all segments once, after the last one', async (t) => {
  const repeat = new Repeat(0, { ...header, size: 2 * SEGMENT + 1 }, answer)
  t.equal(await repeat.compare({ digests: ['a', 'b'] }), false)
  t.equal(await repeat.compare({ digests: ['c'] }), true)
})

t.test('wants nothing at once, and ignores the chunks that were on their way', async (t) => {
  t.equal(new Repeat(0, { ...header, size: 5, resume: 'compare' }, answer).isKnown, false)
  const repeat = new Repeat(0, { ...header, size: 5, resume: 'delta' }, answer)
  t.equal(repeat.isKnown, true)
  t.equal(await repeat.compare({ digests: ['a'], lengths: [5] }), false)
})

t.test('refuses another content', async (t) => {
  const wrong = { code: 'digest-mismatch', reason: 'digest', peerMessage: /stored before/ }
  await t.rejects(new Repeat(0, header, answer).finish({ bytes: 5, blake3: 'other' }), wrong)
  await t.rejects(new Repeat(0, header, answer).finish({ bytes: 4, blake3: 'digest' }), wrong)
  await t.rejects(new Repeat(0, header, answer).finish({ bytes: 5, blake3: null, sha256: 'other' }), wrong)
})

t.test('takes the digest that the sender computes', async (t) => {
  const known = { ...answer, blake3: null, sha256: 'sha' }
  t.match(await new Repeat(0, header, known).finish({ bytes: 5, blake3: null, sha256: 'sha' }), {
    blake3: '',
    sha256: 'sha',
  })
})

t.test('has nothing to keep or to remove', async (t) => {
  const repeat = new Repeat(0, header, answer)
  t.equal(await repeat.keep(), null)
  await repeat.discard()
})
