/** Directories with which a sender breaks the protocol or lies about what is in them: stored whole or not at all. */
import t from 'tap'
import { brokenDirectory, directoryHeader, HostileSender, type Refused } from '../fixtures/hostile-directory.ts'
import { someDigest } from '../fixtures/literals.ts'
import { digest, frame, frameHeader } from '../fixtures/peer-frames.ts'
import { directoryFrames, tree } from '../fixtures/tree-frames.ts'

/** What comes before the trouble, so that there is something to remove. */
const before = [tree.file('0', 'content'), tree.open('1'), tree.file('x', 'content'), tree.close()]
const large = Buffer.alloc(100_000, 'x')

const breach = (message: RegExp): Refused => ({ reason: 'protocol', code: 'incomplete', message })
const twice = breach(/^the names in a directory must ascend, and none may come twice$/)
const misplaced = breach(/may not come here in a directory/)
const early = breach(/^the directory ended before everything in it did$/)

const breaches: Record<string, [Buffer[], Refused]> = {
  'a file, then a directory of its name': [
    [tree.file('a', ''), tree.open('a'), tree.file('b', ''), tree.close()],
    twice,
  ],
  'a directory, then a file of its name': [
    [tree.open('a'), tree.file('b', ''), tree.close(), tree.file('a', '')],
    twice,
  ],
  'a file, other names, then a directory of its name': [
    [tree.file('a', ''), tree.file('a!', ''), tree.file('a-', ''), tree.open('a'), tree.close()],
    twice,
  ],
  'a file below a symlink': [[tree.link('l', '.'), tree.open('l'), tree.file('x', ''), tree.close()], twice],
  'a symlink in the place of a directory': [[tree.open('l'), tree.close(), tree.link('l', '.')], twice],
  'the same file twice': [[tree.file('a', ''), tree.file('a', '')], twice],
  'the same directory twice': [[tree.open('a'), tree.close(), tree.open('a'), tree.close()], twice],
  'the same symlink twice': [[tree.link('a', 'b'), tree.link('a', 'c')], twice],
  'a name out of order': [[tree.file('b', ''), tree.file('a', '')], twice],
  'a file without a name': [[tree.file('', '')], twice],
  'data before a header': [[frame('D', Buffer.from('x'))], misplaced],
  'data after a complete file': [[tree.file('a', 'x'), frame('D', Buffer.from('x'))], misplaced],
  'data after a streamed file': [[tree.streamed('a', 'x'), frame('D', Buffer.from('x'))], misplaced],
  'an end after a complete file': [[tree.file('a', 'x'), frame('E', { blake3: digest('x') })], misplaced],
  'an abort of nothing': [[frame('A', {})], misplaced],
  'a file inside a file': [[frame('H', { name: 'a', size: 5 }), tree.file('b', '')], misplaced],
  'a directory inside a large file': [
    [frame('H', { name: 'a', size: 200_000 }), frame('D', large), tree.open('b'), tree.close()],
    misplaced,
  ],
  'more data than the size': [
    [frame('H', { name: 'a', size: 5 }), frame('D', Buffer.from('123456'))],
    breach(/^more data than/),
  ],
  'more data than a large size': [
    [frame('H', { name: 'a', size: 100_001 }), frame('D', large), frame('D', Buffer.from('12'))],
    breach(/^more data than/),
  ],
  'less data than the size': [
    [frame('H', { name: 'a', size: 100_001 }), frame('D', large), frame('E', { blake3: digest(large) })],
    breach(/^a file ended 1 bytes before its size$/),
  ],
  'tiny data frames': [
    [frame('H', { name: 'a', size: 100_001 }), frame('D', Buffer.alloc(1023))],
    breach(/^less than 1024 bytes of data before the last/),
  ],
  'the end of a directory that was not begun': [[tree.close()], breach(/outside of all directories$/)],
  'one end of a directory too many': [
    [tree.open('a'), tree.close(), tree.close()],
    breach(/outside of all directories$/),
  ],
  'an entry after the end of the directory': [
    [tree.close(), tree.file('a', '')],
    breach(/outside of all directories$/),
  ],
  'an end while a directory is open': [[tree.open('a'), tree.file('b', '')], early],
  'an end inside a small file': [[frame('H', { name: 'a', size: 5, blake3: digest('12345') })], early],
  'an end inside a large file': [[frame('H', { name: 'a', size: 200_000 }), frame('D', large)], early],
  'an end before the digest of a large file': [[frame('H', { name: 'a', size: 100_000 }), frame('D', large)], early],
  'an end inside a frame': [[tree.open('a').subarray(0, 9)], early],
  'an end inside the data of a file': [
    [frame('H', { name: 'a', size: 5 }), frameHeader('D', 5), Buffer.from('12')],
    early,
  ],
  'an end inside the first bytes of a frame': [[Buffer.from('H\0')], early],
  'an end although a file was given up': [
    [frame('H', { name: 'a', size: 100_000 }), frame('D', large), frame('A', {}), tree.file('b', '')],
    breach(/^the directory ended although a file in it was given up$/),
  ],
  'an unknown frame': [[frame('X', {})], breach(/^unknown frame type 88$/)],
  'a frame of an entry': [[frame('G', { version: 1 })], breach(/^unknown frame type 71$/)],
  'an empty frame': [[frameHeader('O', 0)], breach(/^the directory frame is empty$/)],
  'empty data': [[frame('H', { name: 'a', size: 5 }), frameHeader('D', 0)], breach(/^the data frame is empty$/)],
  'a control frame over its limit': [
    [frameHeader('O', 65_537), Buffer.alloc(65_537, 'x')],
    breach(/over the limit of 65536$/),
  ],
  'a data frame over its limit': [
    [frame('H', { name: 'a', size: 2_000_000 }), frameHeader('D', 1_048_577), large],
    breach(/over the limit of 1048576$/),
  ],
  'a frame of four gigabytes': [[frameHeader('L', 0xffff_ffff)], breach(/over the limit of 65536$/)],
  'a header that is not JSON': [[frame('O', Buffer.from('{"name":'))], breach(/is not JSON in UTF-8$/)],
  'a header that is a list': [[frame('H', Buffer.from('[]'))], breach(/is not a JSON object$/)],
  'a mandatory field of the future': [
    [frame('O', { name: 'a', '!sparse': 1 })],
    { reason: 'field', code: 'incomplete', message: /^the directory frame needs "!sparse", which this side/ },
  ],
  'a mode of a billion': [[tree.open('a', { mode: 1e9 })], breach(/^"mode" of the directory frame/)],
  'a mode below zero': [[tree.file('a', '', { mode: -1 })], breach(/^"mode" of the file frame/)],
  'a time after all time': [[tree.link('a', 'b', { mtime: 1e20 })], breach(/^"mtime" of the symlink frame/)],
  'a time before all time': [[tree.file('a', '', { mtime: -1e20 })], breach(/^"mtime" of the file frame/)],
}

for (const size of ['-1', '1.5', '"12"', 'true', '[]', 'null', '1e400', '9007199254740993']) {
  const json = Buffer.from(`{"name":"a","size":${size}}`)
  breaches[`a size of ${size}`] = [[frame('H', json)], breach(/^"size" of the file frame must be a whole number/)]
}

t.test('refuses a directory that breaks the protocol, alone and with all that came of it', async (t) => {
  const sender = await HostileSender.start(t)
  for (const [what, [parts, wanted]] of Object.entries(breaches)) {
    await t.test(what, (t) => sender.refused(t, brokenDirectory('bad', [...before, ...parts]), wanted))
  }
  await sender.stop(t)
})

t.test('refuses a directory whose bytes are not what its digests say', async (t) => {
  const sender = await HostileSender.start(t)
  const parts = [...before, tree.streamed('a', large)]
  const whole = directoryFrames('bad', parts)
  const wrong: Refused = { reason: 'digest', code: 'digest-mismatch', message: /digest|changed on its way/ }
  const length = Buffer.concat(parts).length
  const cases: Record<string, [Buffer[], Refused]> = {
    'a file with another digest in its header': [
      brokenDirectory('bad', [...before, tree.file('a', 'x', { blake3: someDigest })]),
      wrong,
    ],
    'an empty file with another digest': [
      brokenDirectory('bad', [frame('H', { name: 'a', size: 0, blake3: digest('x') })]),
      wrong,
    ],
    'a file with another digest at its end': [
      brokenDirectory('bad', [
        ...before,
        frame('H', { name: 'a', size: 100_000 }),
        frame('D', large),
        frame('E', { blake3: someDigest }),
      ]),
      wrong,
    ],
    'a large file with another digest in its header': [
      brokenDirectory('bad', [
        ...before,
        frame('H', { name: 'a', size: 100_000, blake3: someDigest }),
        frame('D', large),
      ]),
      wrong,
    ],
    'another digest of the directory': [directoryFrames('bad', parts, { blake3: someDigest }), wrong],
    'no digest of the directory': [directoryFrames('bad', parts, { blake3: null }), wrong],
    'only a SHA-256 of the directory': [directoryFrames('bad', parts, { blake3: null, sha256: someDigest }), wrong],
    'another digest of the names': [directoryFrames('bad', parts, { header: someDigest }), wrong],
    'no digest of the names': [directoryFrames('bad', parts, { header: null }), wrong],
    'the digests of another name': [[directoryHeader('evil'), ...whole.slice(1)], wrong],
    'the digests of other attributes': [[directoryHeader('bad', { mode: 0o777 }), ...whole.slice(1)], wrong],
    'another number of bytes': [
      directoryFrames('bad', parts, { bytes: length + 1 }),
      { reason: 'size', code: 'incomplete' },
    ],
    'another size in the header': [
      [directoryHeader('bad', { size: length + 1 }), ...whole.slice(1)],
      { reason: 'digest', code: 'digest-mismatch' },
    ],
  }
  for (const [what, [entry, wanted]] of Object.entries(cases))
    await t.test(what, (t) => sender.refused(t, entry, wanted))
  await sender.stop(t)
})
