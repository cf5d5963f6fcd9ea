import t, { type Test } from 'tap'
import type { Blocking } from '../../dist/disk/blocking.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, replaceDuring, systemError } from '../fixtures/disk.ts'
import {
  AlwaysQuick,
  contentOf,
  finalNames,
  header,
  NeverQuick,
  openFolder,
  stagedFiles,
  storeIn,
} from '../fixtures/folder-store.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'
import { append } from '../fixtures/sinks.ts'
import { settle } from '../fixtures/turns.ts'

/** Both ways to write: blocking while the disk is quick, and through the thread pool while it is not. */
const ways: Record<string, () => Blocking> = { blocking: () => new AlwaysQuick(), behind: () => new NeverQuick() }

/** A disk that takes `most` bytes of each write, and `room` bytes in all. */
function smallDisk(t: Test, { most = Number.POSITIVE_INFINITY, room = Number.POSITIVE_INFINITY }) {
  let left = room
  const take = (length: number) => {
    if (left === 0) throw systemError('ENOSPC', 'write')
    const count = Math.min(length, most, left)
    left -= count
    return count
  }
  replaceDuring(t, 'writeSync', (current) => (fd, bytes, offset, length, position) => {
    return current(fd, bytes, offset, take(length), position)
  })
  replaceDuring(t, 'write', (current) => async (fd, bytes, offset, length, position) => {
    return await current(fd, bytes, offset, take(length), position)
  })
}

for (const [way, blocking] of Object.entries(ways)) {
  t.test(`goes on after a short write (${way})`, async (t) => {
    const path = t.testdir()
    const store = await openFolder(t, { path, blocking: blocking() })
    smallDisk(t, { most: 3 })
    await storeIn(store, {}, 'ten bytes.', 'x', 'and more')
    t.equal(contentOf(path, 'file.txt'), 'ten bytes.xand more')
  })

  t.test(`tells of a full disk at whatever byte it is full, and leaves nothing (${way})`, async (t) => {
    for (const room of [0, 1, 9, 10, 11, 19]) {
      await t.test(`after ${room} bytes`, async (t) => {
        const path = t.testdir()
        const store = await openFolder(t, { path, blocking: blocking() })
        smallDisk(t, { room })
        await t.rejects(storeIn(store, {}, 'ten bytes.', 'ten bytes.'), {
          code: 'local-file',
          reason: 'no-space',
          peerMessage: 'its disk is full',
        })
        t.strictSame(finalNames(path), [])
        t.strictSame(stagedFiles(path), [])
      })
    }
  })

  t.test(`does not need the memory when it says that it has written (${way})`, async (t) => {
    const path = t.testdir()
    const entry = await (await openFolder(t, { path, blocking: blocking() })).begin(header())
    replaceDuring(t, 'write', (current) => async (...args) => {
      // The pool has other work first.
      await settle()
      return await current(...args)
    })
    const bytes = Buffer.from('first')
    await append(entry, bytes)
    bytes.fill('x')
    await entry.commit()
    t.equal(contentOf(path, 'file.txt'), 'first')
  })

  t.test(`names the file that cannot be written, and the cause (${way})`, async (t) => {
    const path = t.testdir()
    const entry = await (await openFolder(t, { path, blocking: blocking() })).begin(header())
    failDuring(t, { call: way === 'blocking' ? 'writeSync' : 'write', code: 'EIO' })
    const error = await (async () => append(entry, Buffer.from('x')))().catch((thrown) => thrown)
    await entry.discard()
    t.match(error, { code: 'local-file', reason: 'disk', peerMessage: 'it could not write the file: i/o error (EIO)' })
    t.equal(error.message, `cannot write ${path}/file.txt: i/o error (EIO)`)
  })
}

t.test('returns no promise while writes are quick, and one when they are not', async (t) => {
  const path = t.testdir()
  const quick = await (await openFolder(t, { path, blocking: new AlwaysQuick() })).begin(header())
  t.equal(append(quick, Buffer.from('x')), undefined)
  await quick.discard()
  const slow = await (await openFolder(t, { path, blocking: new NeverQuick() })).begin(header())
  const writing = append(slow, Buffer.from('x'))
  t.type(writing, Promise)
  await writing
  await slow.discard()
})

t.test('moves between the two ways in the middle of a file', async (t) => {
  const path = t.testdir()
  const blocking = new AlwaysQuick()
  let quick = true
  replaceProperty(t, blocking, 'isQuick', { get: () => quick })
  const entry = await (await openFolder(t, { path, blocking })).begin(header())
  for (let piece = 0; piece < 10; piece++) {
    quick = piece % 3 !== 0
    await append(entry, Buffer.from(`piece ${piece} `))
  }
  await entry.commit()
  t.equal(contentOf(path, 'file.txt'), Array.from({ length: 10 }, (_, piece) => `piece ${piece} `).join(''))
})

t.test('closes its descriptor once when a commit failed and the entry is discarded', async (t) => {
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const store = await openFolder(t, { path: t.testdir() })
  const held = watch.problems()
  failDuring(t, { call: 'fsync', code: 'EIO' })
  const entry = await store.begin(header())
  await t.rejects(entry.commit(), { code: 'local-file' })
  await entry.discard()
  await entry.discard()
  t.strictSame(watch.problems(), held)
})
