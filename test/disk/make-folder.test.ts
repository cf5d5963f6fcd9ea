import { existsSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { makeFolder } from '../../dist/disk/make-folder.js'
import { TransferError } from '../../dist/errors.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, injectFault, replaceDuring } from '../fixtures/disk.ts'
import { torture } from '../fixtures/torture.ts'

/** The calls that make names durable, in their order: `mkdir` and `fsync`, with the path of the folder. */
function watchNames(t: Test, base: string): string[] {
  const calls: string[] = []
  const paths = new Map<number, string>()
  const shown = (path: string) => relative(realpathSync(base), realpathSync(path)) || '.'
  replaceDuring(t, 'mkdir', (current) => async (path, options) => {
    await current(path, options)
    calls.push(`mkdir ${shown(path)}`)
  })
  replaceDuring(t, 'open', (current) => {
    const open = async (...args: Parameters<typeof current>) => {
      const fd = await current(...args)
      paths.set(fd, args[0])
      return fd
    }
    return open as typeof current
  })
  replaceDuring(t, 'fsync', (current) => async (fd) => {
    await current(fd)
    calls.push(`fsync ${shown(paths.get(fd) as string)}`)
  })
  return calls
}

t.test('makes the name of each new folder durable before the next', async (t) => {
  const base = t.testdir()
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const calls = watchNames(t, base)
  await makeFolder(join(base, 'a', 'b', 'c'))
  t.strictSame(calls, ['mkdir a', 'fsync .', 'mkdir a/b', 'fsync a', 'mkdir a/b/c', 'fsync a/b'])
  calls.length = 0
  await makeFolder(join(base, 'a', 'b', 'd'))
  t.strictSame(calls, ['mkdir a/b/d', 'fsync a/b'])
  t.strictSame(watch.problems(), [])
})

t.test('touches nothing where the folder is there', async (t) => {
  const base = t.testdir({ dir: {}, link: t.fixture('symlink', 'dir') })
  const calls = watchNames(t, base)
  for (const path of ['dir', 'dir/', 'dir/.', 'dir/..', 'link', 'link/']) await makeFolder(join(base, path))
  await makeFolder('/')
  await makeFolder('.')
  t.strictSame(calls, [])
})

t.test('makes what any way of writing the path means', async (t) => {
  const cases: [path: string, made: string[]][] = [
    ['a', ['a']],
    ['./a', ['a']],
    ['a/', ['a']],
    ['a///', ['a']],
    ['a//b', ['a', 'a/b']],
    ['a/.', ['a']],
    ['a/../b', ['a', 'b']],
    ['dir/../b', ['b']],
    // The parent of the place where the link leads.
    ['link/../b', ['dir/b']],
    ['link/x/y', ['dir/sub/x', 'dir/sub/x/y']],
    ['ü/\u{1f600}', ['ü', 'ü/\u{1f600}']],
  ]
  const before = process.cwd()
  t.teardown(() => process.chdir(before))
  for (const [path, made] of cases) {
    await t.test(path, async (t) => {
      const base = t.testdir({ dir: { sub: {} }, link: t.fixture('symlink', 'dir/sub') })
      const names = () => readdirSync(base, { recursive: true }).map(String).sort()
      const old = names()
      process.chdir(base)
      await makeFolder(path)
      t.strictSame(
        names().filter((name) => !old.includes(name) && !name.startsWith('link/')),
        made.sort(),
      )
      t.ok(statSync(path).isDirectory())
    })
  }
})

t.test('says what is in the way', async (t) => {
  const base = t.testdir({
    file: '',
    nowhere: t.fixture('symlink', 'absent'),
    round: t.fixture('symlink', 'round'),
    'to-file': t.fixture('symlink', 'file'),
  })
  const before = process.cwd()
  t.teardown(() => process.chdir(before))
  process.chdir(base)
  const table: Record<string, string> = {
    file: 'cannot store in file: it is a file, not a folder',
    'file/': 'cannot store in file/: it is a file, not a folder',
    'file/a': 'cannot store in file/a: file is a file, not a folder',
    'file/a/b/../c': 'cannot store in file/a/b/../c: file is a file, not a folder',
    'file/..': 'cannot store in file/..: file is a file, not a folder',
    'to-file': 'cannot store in to-file: it is a file, not a folder',
    nowhere: 'cannot store in nowhere: it is a link to absent, which does not exist',
    'nowhere/': 'cannot store in nowhere/: it is a link to absent, which does not exist',
    'nowhere/a/b': 'cannot store in nowhere/a/b: nowhere is a link to absent, which does not exist',
    'new/../nowhere': 'cannot store in new/../nowhere: it is a link to absent, which does not exist',
    'round/a': 'cannot store in round/a: too many symbolic links encountered (ELOOP)',
    '/dev/null': 'cannot store in /dev/null: it is not a folder',
    '/dev/null/a': 'cannot store in /dev/null/a: /dev/null is not a folder',
    '': 'cannot make the folder "": the file system takes no folder of that name there',
  }
  for (const [path, message] of Object.entries(table)) {
    await t.rejects(makeFolder(path), { code: 'local-file', reason: 'disk', exitCode: 8, message }, message)
  }
})

t.test('ends where the system says that there can be nothing', { skip: !existsSync('/proc/self') }, async (t) => {
  for (const [path, folder] of [
    ['/proc/o', '/proc/o'],
    ['/proc/o/p', '/proc/o'],
    ['/proc/self/fd/o', '/proc/self/fd/o'],
  ] as const) {
    const message = `cannot make the folder ${folder}: the file system takes no folder of that name there`
    await t.rejects(makeFolder(path), { code: 'local-file', message })
  }
})

t.test('names the folder that it could not make, and why', async (t) => {
  const base = t.testdir()
  for (const [code, words] of [
    ['EROFS', 'read-only file system (EROFS)'],
    ['EACCES', 'permission denied (EACCES)'],
    ['EINVAL', 'the file system takes no folder of that name there'],
  ] as const) {
    failDuring(t, { call: 'mkdir', code, occurrence: 2 })
    const message = `cannot make the folder ${join(base, code, 'b')}: ${words}`
    await t.rejects(makeFolder(join(base, code, 'b', 'c')), { code: 'local-file', message })
  }
})

t.test('ends where even the working directory is not to be found', async (t) => {
  failDuring(t, { call: 'stat', code: 'ENOENT', occurrence: 0 })
  await t.rejects(makeFolder('a/b'), { code: 'local-file', message: /^cannot make the folder \.: .*\(EEXIST\)$/ })
})

t.test('does not mind another receiver that makes the same folder, and makes its name durable too', async (t) => {
  const base = t.testdir()
  const calls = watchNames(t, base)
  replaceDuring(t, 'mkdir', (current) => async (path, options) => {
    mkdirSync(path)
    await current(path, options)
  })
  await makeFolder(join(base, 'a', 'b'))
  t.strictSame(calls, ['fsync .', 'fsync a'])
})

t.test('says so when what another makes is a file', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file')
  // It was not there when it was looked for.
  failDuring(t, { call: 'stat', code: 'ENOENT' })
  await t.rejects(makeFolder(path), {
    code: 'local-file',
    message: `cannot store in ${path}: it is a file, not a folder`,
  })
})

t.test('stores nothing in a folder whose name is not durable', async (t) => {
  const base = t.testdir()
  const path = join(base, 'a')
  for (const [call, code] of [
    ['fsync', 'EIO'],
    ['open', 'EACCES'],
  ] as const) {
    const fault = injectFault({ call, code })
    const message = new RegExp(`^cannot fsync the parent of ${path}: .*\\(${code}\\)$`)
    await t.rejects(makeFolder(path), { code: 'local-file', reason: 'disk', message })
    fault.restore()
    t.notOk(existsSync(path), 'nor does the next start find it')
  }
  await makeFolder(path)
})

t.test('needs no fsync of folders where there is none', async (t) => {
  for (const code of ['EINVAL', 'ENOSYS', 'ENOTSUP']) {
    failDuring(t, { call: 'fsync', code, occurrence: 0 })
    await t.resolves(makeFolder(join(t.testdir(), code)))
  }
})

t.test('makes the folder or says why not, whichever call fails', async (t) => {
  const base = t.testdir()
  let count = 0
  await torture(t, {
    prepare: () => join(base, String(count++), 'b', 'c'),
    work: makeFolder,
    judge: async (path, { error }, { code }) => {
      const problems = error || statSync(path).isDirectory() ? [] : ['there is no folder']
      if (error && !(error instanceof TransferError && error.code === 'local-file'))
        problems.push(`a raw error: ${error}`)
      if (error && !(error as Error).message.includes(code)) problems.push(`${code} is not named: ${error}`)
      await makeFolder(path)
      return problems
    },
  })
})
