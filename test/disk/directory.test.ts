import fs, {
  linkSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Directory } from '../../dist/disk/directory.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { injectFault, replaceDuring } from '../fixtures/disk.ts'

async function openDirectory(t: Test, path: string): Promise<Directory> {
  const directory = await Directory.open(path)
  t.teardown(() => directory.close())
  return directory
}

/** What an attacker on this machine does: moves the folder away and puts a symlink to another in its place. */
function swap(folder: string, outside: string): void {
  renameSync(folder, `${folder}-moved`)
  symlinkSync(outside, folder)
}

t.test('reaches names directly below the folder', async (t) => {
  const path = t.testdir({ 'a.txt': 'content' })
  const directory = await openDirectory(t, path)
  t.equal(fs.readFileSync(directory.path('a.txt'), 'utf8'), 'content')
  t.strictSame(readdirSync(directory.path()), ['a.txt'])
  await t.resolves(directory.sync())
})

t.test('follows the symlinks of the user who named the folder', async (t) => {
  const path = t.testdir({ real: { 'a.txt': '' }, link: t.fixture('symlink', 'real') })
  t.strictSame(readdirSync((await openDirectory(t, join(path, 'link'))).path()), ['a.txt'])
})

t.test('refuses what is no folder', async (t) => {
  const path = t.testdir({ file: '' })
  await t.rejects(Directory.open(join(path, 'file')), { code: 'ENOTDIR' })
  await t.rejects(Directory.open(join(path, 'absent')), { code: 'ENOENT' })
})

t.test('opens a folder directly below, and never a symlink', async (t) => {
  const path = t.testdir({ root: { sub: { 'a.txt': '' }, link: t.fixture('symlink', '../outside') }, outside: {} })
  const root = await openDirectory(t, join(path, 'root'))
  const sub = await root.openDirectory('sub')
  t.teardown(() => sub.close())
  t.strictSame(readdirSync(sub.path()), ['a.txt'])
  await t.rejects(root.openDirectory('link'), { code: /^(ENOTDIR|ELOOP)$/ })
})

t.test('stays inside when the folder is swapped for a symlink between open and use', async (t) => {
  const path = t.testdir({ folder: { old: 'old', gone: '', sub: {} }, outside: {} })
  const folder = join(path, 'folder')
  const directory = await openDirectory(t, folder)
  swap(folder, join(path, 'outside'))

  writeFileSync(directory.path('created'), 'new')
  mkdirSync(directory.path('made'))
  linkSync(directory.path('old'), directory.path('linked'))
  renameSync(directory.path('old'), directory.path('renamed'))
  unlinkSync(directory.path('gone'))
  const sub = await directory.openDirectory('sub')
  writeFileSync(sub.path('deep'), '')
  await sub.close()

  t.strictSame(readdirSync(join(path, 'outside')), [])
  t.strictSame(readdirSync(`${folder}-moved`).sort(), ['created', 'linked', 'made', 'renamed', 'sub'])
  t.strictSame(readdirSync(join(`${folder}-moved`, 'sub')), ['deep'])
})

t.test('does not follow a folder below that becomes a symlink while it is opened', async (t) => {
  const path = t.testdir({ root: { sub: {} }, outside: {} })
  const root = await openDirectory(t, join(path, 'root'))
  replaceDuring(t, 'open', (current) => {
    const open = (...args: Parameters<typeof current>) => {
      swap(join(path, 'root', 'sub'), join(path, 'outside'))
      return current(...args)
    }
    return open as typeof current
  })
  await t.rejects(root.openDirectory('sub'), { code: /^(ENOTDIR|ELOOP)$/ })
})

t.test('uses plain paths where the system has no paths for descriptors', async (t) => {
  const { existsSync } = fs
  fs.existsSync = () => false
  syncBuiltinESMExports()
  t.teardown(() => {
    fs.existsSync = existsSync
    syncBuiltinESMExports()
  })
  const path = t.testdir({ sub: { 'a.txt': '' } })
  const directory = await openDirectory(t, path)
  t.equal(directory.path('sub'), join(path, 'sub'))
  const sub = await directory.openDirectory('sub')
  t.equal(sub.path('a.txt'), join(path, 'sub', 'a.txt'))
  t.strictSame(readdirSync(sub.path()), ['a.txt'])
  await sub.close()
})

t.test('knows whether other users have any access', async (t) => {
  const path = t.testdir()
  const directory = await openDirectory(t, path)
  for (const [mode, isOpen] of [
    [0o700, false],
    [0o701, true],
    [0o710, true],
    [0o704, true],
  ] as const) {
    fs.chmodSync(path, mode)
    t.equal(await directory.isOpenToOthers(), isOpen, mode.toString(8))
  }
})

t.test('gives its descriptor back', async (t) => {
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const directory = await Directory.open(t.testdir())
  t.equal(watch.problems().length, 1)
  await directory.close()
  t.strictSame(watch.problems(), [])
})

t.test('makes a private directory and opens it, or leaves nothing', async (t) => {
  const path = t.testdir()
  const directory = await openDirectory(t, path)
  const made = await directory.makeDirectory('made')
  t.equal((await made.stat()).mode & 0o777, 0o700)
  t.equal(realpathSync(made.realPath()), realpathSync(join(path, 'made')))
  await made.setAttributes(0o2750, 1_700_000_000_123)
  t.match(await made.stat(), { mode: 0o42750 })
  t.equal(Math.round((await made.stat()).mtimeMs), 1_700_000_000_123)
  await made.setAttributes(0o700, null)
  t.equal(Math.round((await made.stat()).mtimeMs), 1_700_000_000_123)
  await made.close()
  await t.rejects(directory.makeDirectory('made'), { code: 'EEXIST' })
  const watch = watchDescriptors()
  const fault = injectFault({ call: 'open', code: 'EMFILE' })
  await t.rejects(directory.makeDirectory('other'), { code: 'EMFILE' })
  fault.restore()
  t.strictSame(readdirSync(path), ['made'])
  t.strictSame(watch.problems(), [])
  watch.restore()
})

t.test('does not follow a symlink that takes the place of the directory that was just made', async (t) => {
  const path = t.testdir({ outside: {} })
  const directory = await openDirectory(t, path)
  replaceDuring(t, 'mkdir', (current) => async (place, options) => {
    await current(place, options)
    swap(join(path, 'made'), 'outside')
  })
  await t.rejects(directory.makeDirectory('made'), { code: 'ENOTDIR' })
})
