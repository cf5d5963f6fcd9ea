/** Names that the file system in use cannot hold, such as `a:b.log` on a stick: refused before their bytes come. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { countCalls, failDuring, replaceDuring, systemError } from '../fixtures/disk.ts'
import { contentOf, finalNames, header, openFolder, stagedFiles, storeIn } from '../fixtures/folder-store.ts'

/** A file system that says `code` where a name with a colon is to be made. */
function withoutColons(t: Test, code: string): void {
  replaceDuring(t, 'open', (current) => {
    const open = async (...args: Parameters<typeof current>) => {
      if (args[0].includes(':') && Number(args[1]) !== 0) throw systemError(code, 'open')
      return await current(...args)
    }
    return open as typeof current
  })
}

for (const code of ['EINVAL', 'ENOENT', 'EILSEQ', 'ENAMETOOLONG']) {
  t.test(`refuses at the header what the file system cannot hold (${code})`, async (t) => {
    for (const ifExists of ['backup', 'overwrite', 'skip', 'fail'] as const) {
      const path = t.testdir()
      const store = await openFolder(t, { path, ifExists })
      withoutColons(t, code)
      const watch = watchDescriptors()
      const message = 'the name "a:b.log" is refused: the file system there cannot hold it'
      await t.rejects(store.begin(header({ name: 'a:b.log' })), {
        code: 'refused',
        reason: 'name',
        exitCode: 5,
        message,
        peerMessage: message,
      })
      t.strictSame(watch.problems(), [])
      watch.restore()
      t.strictSame(stagedFiles(path), [])
      await storeIn(store, { name: 'plain.log' }, 'x')
      t.strictSame(finalNames(path), ['plain.log'])
    }
  })
}

t.test('takes an unusual name where it can be held, and leaves no trace of having tried', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  for (const name of ['a:b.log', 'what ?', 'é', 'x'.repeat(255)]) {
    await storeIn(store, { name }, name)
    t.equal(contentOf(path, name), name)
  }
  t.strictSame(stagedFiles(path), [])
})

t.test('takes a name that another connection tries at the same moment', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  failDuring(t, { call: 'open', code: 'EEXIST' })
  await storeIn(store, { name: 'a:b' }, 'x')
  t.equal(contentOf(path, 'a:b'), 'x')
})

t.test('does not blame the name when the folder has gone', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  rmSync(join(path, STAGING), { recursive: true })
  const error = { code: 'local-file', reason: 'disk', message: /no such file or directory \(ENOENT\)/ }
  await t.rejects(store.begin(header({ name: 'a:b' })), error)
})

t.test('does not blame the name when the disk fails', async (t) => {
  const store = await openFolder(t, { path: t.testdir() })
  failDuring(t, { call: 'open', code: 'EIO' })
  await t.rejects(store.begin(header({ name: 'a:b' })), { code: 'local-file', reason: 'disk', message: /EIO/ })
})

t.test('tries out no name that every file system holds', async (t) => {
  const store = await openFolder(t, { path: t.testdir() })
  const calls = await countCalls(async () => (await store.begin(header({ name: 'plain.log' }))).discard())
  t.equal(calls.get('open'), 1)
})
