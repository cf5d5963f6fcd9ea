/** What is compressed, and when: nothing on a fast line, and on a slow one what makes it faster. */
import t, { type Test } from 'tap'
import { send } from '../../dist/send.js'
import { Compression, type CompressMode } from '../../dist/transfer/compression.js'
import { bytesOf } from '../fixtures/folder.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'

const MB = 1_000_000
const text = Buffer.from('a line that comes again and again\n'.repeat(10_000))
const noise = bytesOf(100_000)

/** A compression in use, and a line that a test makes slow or fast. */
function onLine(t: Test, mode: CompressMode = 'auto', type = 'text/plain', isLocal = false) {
  const clock = fakePerformanceNow(t)
  const compression = new Compression(mode, isLocal)
  compression.choose(['brotli'])
  compression.begin(type)
  /** A window of `rate` bytes in a millisecond, in `waiting` of which (a share) writes waited for the line. */
  const pass = (rate: number, waiting = 1, milliseconds = 100) => {
    clock.pass(milliseconds)
    compression.wrote(rate * milliseconds, waiting * milliseconds, performance.now())
    return compression.isOn
  }
  /** Compresses a piece, which takes so long. */
  const take = async (bytes: Buffer, milliseconds = 0.1) => {
    const compressing = compression.compress(bytes)
    clock.pass(milliseconds)
    return await compressing
  }
  return { compression, pass, take }
}

const SLOW = (12 * MB) / 1000
const FAST = (200 * MB) / 1000

t.test('compresses once the line is slow, and not before', async (t) => {
  const { compression, pass, take } = onLine(t)
  t.equal(compression.isOn, false)
  for (let count = 0; count < 100; count++) t.equal(pass(FAST), false, 'it is fast')
  t.equal(pass(SLOW, 0.4), false, 'something else is slow')
  t.equal(pass(SLOW, 1, 60), false, 'not long enough')
  t.equal(pass(SLOW, 1, 60), true)
  const piece = await take(text)
  t.match(piece, { compressor: 'brotli', length: text.length })
  t.equal(compression.isOn, true)
})

t.test('takes a line on this machine for fast, unless it is as slow as a tunnel', async (t) => {
  const { pass } = onLine(t, 'auto', 'text/plain', true)
  t.equal(pass(4 * SLOW), false)
  t.equal(pass(SLOW), true)
})

t.test('goes on as long as more data move than without', async (t) => {
  const { compression, pass, take } = onLine(t)
  pass(SLOW)
  await take(text)
  for (let count = 0; count < 200; count++) t.equal(pass(4 * SLOW), true)
  t.equal(pass(1.05 * SLOW), false)
  t.equal(pass(SLOW), false, 'it waits')
  t.equal(pass(SLOW), true, 'and tries again')
  await take(text)
  t.equal(compression.isOn, true)
})

t.test('waits longer each time that it does not pay, up to a limit, and begins anew when it does', async (t) => {
  const { pass } = onLine(t)
  const pauses: number[] = []
  for (let tries = 0; tries < 7; tries++) {
    let pause = 0
    while (!pass(SLOW)) pause++
    pauses.push(pause)
    t.equal(pass(SLOW), false)
  }
  t.strictSame(pauses, [0, 1, 2, 4, 8, 16, 16])
  while (!pass(SLOW));
  t.equal(pass(4 * SLOW), true)
  t.equal(pass(SLOW), false)
  t.equal(pass(SLOW), false)
  t.equal(pass(SLOW), true)
})

t.test('stops at a piece that does not shrink, and at a first one that takes too long', async (t) => {
  for (const [bytes, milliseconds] of [
    [noise, 0.1],
    [text, (1.05 * text.length) / SLOW],
  ] as const) {
    await t.test(`${milliseconds} ms`, async (t) => {
      const { compression, pass, take } = onLine(t)
      t.equal(pass(SLOW), true)
      const piece = await take(bytes, milliseconds)
      t.equal(piece === null, bytes === noise, 'what has become smaller is used')
      t.equal(compression.isOn, false)
    })
  }
  const { compression, pass, take } = onLine(t)
  pass(SLOW)
  await take(text)
  await take(text, 1000)
  t.equal(compression.isOn, true, 'later, what counts is how much moves')
  await Promise.all([take(noise), take(noise)])
  t.equal(pass(SLOW), false, 'two together are one mistake')
  t.equal(pass(SLOW), true)
})

t.test('learns nothing from small pieces', async (t) => {
  const { compression, pass, take } = onLine(t)
  pass(SLOW)
  t.equal(await take(noise.subarray(0, 5000)), null)
  t.match(await take(text.subarray(0, 5000), 1000), { length: 5000 })
  t.equal(compression.isOn, true)
  await take(text, 1000)
  t.equal(compression.isOn, false, 'the sample was still to come')
})

t.test('measures a line anew that no write has waited for', async (t) => {
  const { pass, take } = onLine(t)
  pass(SLOW)
  await take(text)
  for (let count = 0; count < 50; count++) t.equal(pass(4 * SLOW, 0), true)
  t.equal(pass(4 * SLOW, 0), false)
  t.equal(pass(FAST), false, 'it has become fast')
  t.equal(pass(4 * SLOW), true, 'or not')
})

t.test('does not try what is compressed already, and takes nothing from it for the next entry', async (t) => {
  const { compression, pass } = onLine(t, 'auto', 'image/jpeg')
  for (let count = 0; count < 10; count++) t.equal(pass(SLOW), false)
  compression.begin('text/plain')
  t.equal(compression.isOn, false)
  t.equal(pass(SLOW), true)
  compression.begin('application/zip')
  t.equal(compression.isOn, false)
  compression.begin('text/plain')
  t.equal(compression.isOn, true)
})

t.test('compresses with always whatever becomes smaller, on every line', async (t) => {
  const { compression, pass, take } = onLine(t, 'always', 'image/jpeg')
  t.equal(compression.isOn, true)
  t.equal(pass(FAST), true)
  t.equal(await take(noise), null)
  const half = Buffer.concat([noise, Buffer.alloc(5000)])
  t.match(await take(half), { length: half.length }, 'even a little')
  t.equal(compression.isOn, true)
})

t.test('compresses nothing with never, and nothing that the receiver cannot inflate', async (t) => {
  const { pass } = onLine(t, 'never')
  t.equal(pass(SLOW), false)
  t.test('the receiver', async (t) => {
    const { compression, pass } = onLine(t, 'always')
    t.equal(compression.choose(['directories']), false)
    t.equal(compression.isOn, false)
    t.equal(pass(SLOW), false)
    t.equal(compression.choose(['other', 'zstd', 'brotli']), true)
    t.equal(compression.isOn, true)
  })
})

t.test('is wrong usage without the protocol', async (t) => {
  const plain = { port: 9, sources: ['x'], plain: true }
  await t.rejects(send({ ...plain, compress: 'always' }), { code: 'usage', message: /without the protocol/ })
})
