/** What somebody knows of a file beforehand, and whether it holds. */
import t from 'tap'
import { TransferError } from '../../dist/errors.js'
import {
  checkExpected,
  checkGrowing,
  checkSize,
  type Expectation,
  isExpecting,
} from '../../dist/transfer/expectation.js'
import { digest } from '../fixtures/peer-frames.ts'

const actual = { bytes: 5, blake3: digest('hello') }
const other = digest('other')

function thrown(expected: Expectation): TransferError {
  try {
    checkExpected('/home/ann/file', actual, expected)
  } catch (error) {
    if (error instanceof TransferError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

t.test('expects something as soon as one thing is known, be it an empty file', async (t) => {
  for (const nothing of [{}, { size: undefined, blake3: undefined }]) t.notOk(isExpecting(nothing))
  for (const some of [{ size: 5 }, { size: 0 }, { blake3: other }, { size: 0, blake3: other }]) t.ok(isExpecting(some))
})

t.test('lets pass what is as expected, in as far as something is', async (t) => {
  for (const expected of [{}, { size: 5 }, { blake3: actual.blake3 }, { size: 5, blake3: actual.blake3 }]) {
    t.doesNotThrow(() => checkExpected('file', actual, expected))
  }
  t.doesNotThrow(() => checkExpected('file', { bytes: 0, blake3: digest('') }, { size: 0, blake3: digest('') }))
})

t.test('names both sizes when the size is another, be the digest right or wrong', async (t) => {
  for (const size of [0, 4, 6]) {
    for (const blake3 of [undefined, actual.blake3, other]) {
      const { code, exitCode, reason, message } = thrown({ size, blake3 })
      t.strictSame([code, exitCode, reason], ['incomplete', 6, 'size'])
      t.equal(message, `/home/ann/file has 5 bytes, and ${size} were expected`)
    }
  }
})

t.test('names both digests when the digest is another', async (t) => {
  for (const size of [undefined, 5]) {
    const { code, exitCode, reason, message } = thrown({ size, blake3: other })
    t.strictSame([code, exitCode, reason], ['digest-mismatch', 7, 'digest'])
    t.equal(message, `/home/ann/file has the BLAKE3 ${actual.blake3}, and ${other} was expected`)
  }
})

t.test('tells the other side neither the path nor what was expected', async (t) => {
  for (const expected of [{ size: 6 }, { blake3: other }]) {
    const { peerMessage } = thrown(expected)
    t.match(peerMessage, /^it did not have the expected (size|digest)$/)
  }
})

t.test('knows at the first byte too many that there are too many', async (t) => {
  for (const bytes of [0, 4, 5]) t.doesNotThrow(() => checkGrowing('file', bytes, { size: 5 }))
  for (const expected of [{}, { blake3: other }]) t.doesNotThrow(() => checkGrowing('file', 6, expected))
  t.throws(() => checkGrowing('/home/ann/file', 6, { size: 5 }), {
    code: 'incomplete',
    exitCode: 6,
    reason: 'size',
    message: '/home/ann/file has more than the 5 bytes that were expected',
    peerMessage: 'it did not have the expected size',
  })
})

t.test('knows of a size that is known beforehand whether it is right', async (t) => {
  t.doesNotThrow(() => checkSize('file', 6, {}))
  t.doesNotThrow(() => checkSize('file', 0, { size: 0 }))
  for (const bytes of [4, 6])
    t.throws(() => checkSize('file', bytes, { size: 5 }), { code: 'incomplete', reason: 'size' })
})
