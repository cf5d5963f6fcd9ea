import { statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Header } from '../../dist/protocol/messages.js'
import { failDuring } from '../fixtures/disk.ts'
import { contentOf, finalNames, openFolder, storeIn } from '../fixtures/folder-store.ts'

async function statOfStored(t: Test, fields: Partial<Header>, umask = 0) {
  const path = t.testdir()
  await storeIn(await openFolder(t, { path, umask }), fields, 'x')
  return statSync(join(path, 'file.txt'))
}

t.test('keeps the permission bits of the sender, less what the umask forbids', async (t) => {
  const cases: [mode: number | null, umask: number, expected: number][] = [
    [0o644, 0, 0o644],
    [0o777, 0o022, 0o755],
    [0o755, 0o077, 0o700],
    [0o666, 0o027, 0o640],
    [0o600, 0o022, 0o600],
    [null, 0o022, 0o644],
    [null, 0o077, 0o600],
  ]
  for (const [mode, umask, expected] of cases) {
    t.equal((await statOfStored(t, { mode }, umask)).mode & 0o7777, expected, `${mode?.toString(8)}, umask ${umask}`)
  }
})

t.test('never makes a set-id or sticky file', async (t) => {
  for (const [mode, expected] of [
    [0o4755, 0o755],
    [0o2777, 0o777],
    [0o1777, 0o777],
    [0o7711, 0o711],
    [0o177777, 0o777],
    [0o104755, 0o755],
  ] as const) {
    t.equal((await statOfStored(t, { mode })).mode & 0o7777, expected, mode.toString(8))
  }
})

t.test('lets the owner read what came, whatever its bits were', async (t) => {
  t.equal((await statOfStored(t, { mode: 0 })).mode & 0o7777, 0o400)
  t.equal((await statOfStored(t, { mode: 0o022 }, 0o777)).mode & 0o7777, 0o400)
})

t.test('keeps the modification time', async (t) => {
  for (const mtime of [0, 1, 999, 1_500_000_000_123, 4_102_444_800_000]) {
    // Node counts in seconds, as fractions, so the last nanosecond can be missing.
    t.equal(Math.round((await statOfStored(t, { mtime })).mtimeMs), mtime)
  }
})

t.test('keeps a modification time before 1970', async (t) => {
  for (const mtime of [-1_000, -86_400_000]) t.equal((await statOfStored(t, { mtime })).mtimeMs, mtime)
})

t.test('gives a file of unknown age the present time', async (t) => {
  const before = Date.now()
  // A file system may count in ticks, and round down.
  t.ok((await statOfStored(t, { mtime: null })).mtimeMs >= before - 2_000)
})

t.test('stores a file of any age that a date can express, or as close as the file system comes', async (t) => {
  for (const mtime of [8_640_000_000_000_000, -8_640_000_000_000_000]) {
    t.equal((await statOfStored(t, { mtime })).size, 1)
  }
})

for (const call of ['fchmod', 'futimes'] as const) {
  for (const code of ['EPERM', 'ENOSYS', 'ENOTSUP']) {
    t.test(`stores where the file system knows no ${call} (${code})`, async (t) => {
      failDuring(t, { call, code })
      const path = t.testdir()
      await storeIn(await openFolder(t, { path }), { mode: 0o644, mtime: 0 }, 'x')
      t.equal(contentOf(path, 'file.txt'), 'x')
    })
  }

  t.test(`does not store where ${call} meets a disk that fails`, async (t) => {
    failDuring(t, { call, code: 'EIO' })
    const path = t.testdir()
    const storing = storeIn(await openFolder(t, { path }), { mode: 0o644, mtime: 0 }, 'x')
    await t.rejects(storing, { code: 'local-file', reason: 'disk' })
    t.strictSame(finalNames(path), [])
  })
}
