import { chmodSync, mkdirSync, mkdtempSync, rmdirSync, symlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createSource } from '../../dist/sources/create-source.js'
import { FifoSource } from '../../dist/sources/fifo-source.js'
import { FileSource } from '../../dist/sources/file-source.js'
import { FolderSource } from '../../dist/sources/folder-source.js'
import { sourceOf } from '../../dist/sources/identity.js'
import type { OpenDirectory } from '../../dist/sources/source.js'
import { injectFault } from '../fixtures/disk.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'
import { asNobody } from '../fixtures/other-user.ts'
import { makeFifo } from '../fixtures/special-files.ts'
import { makeTree } from '../fixtures/tree.ts'

const tree = { exclude: [], gitignore: false, follow: false }
const asStream = (name: string) => `send ${name}`
const options = { tree, asStream }

/** Does the work in another working directory. */
async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = process.cwd()
  process.chdir(folder)
  try {
    return await work()
  } finally {
    process.chdir(before)
  }
}

async function open(source: FolderSource): Promise<OpenDirectory> {
  return await source.open()
}

t.test('is a directory, and gives its facts and what is in it', async (t) => {
  const folder = makeTree(t.testdir(), { 'my dir/a': '' })
  const path = join(folder, 'my dir')
  chmodSync(path, 0o2750)
  utimesSync(path, 0, 1_700_000_000.123)
  const leaked = watchOpenFiles(folder)
  const source = (await createSource(path, options)) as FolderSource
  t.type(source, FolderSource)
  t.match(source, { path, label: path, name: 'my dir', isOnce: false, feature: 'directories' })
  t.equal(await source.inspect(), null)
  const opened = await open(source)
  const [mode, mtime] = [0o2750, 1_700_000_000_123]
  const known = { kind: 'directory', name: 'my dir', size: null, type: 'inode/directory', mtime, mode }
  t.strictSame(opened.header, { ...known, ...(await sourceOf(path)) })
  t.match(await opened.tree.next(), { kind: 'file', name: 'a' })
  await opened.close()
  t.strictSame(await leaked(), [])
})

t.test('has the name of the directory that the path stands for', async (t) => {
  const folder = makeTree(t.testdir(), { 'project/sub/': '', link: { to: 'project' } })
  await inFolder(join(folder, 'project'), async () => {
    const rows: [string, string][] = [
      ['.', 'project'],
      ['./', 'project'],
      ['sub', 'sub'],
      ['sub/', 'sub'],
      ['sub//', 'sub'],
      ['sub/.', 'sub'],
      ['sub/..', 'project'],
      ['../link', 'link'],
      ['../link/', 'link'],
      ['../link/.', 'project'],
      ['..', folder.replace(/.*\//, '')],
    ]
    for (const [path, name] of rows) {
      const source = await createSource(path, options)
      t.type(source, FolderSource)
      t.equal(source.name, name, path)
      t.equal(await source.inspect(), null)
      await (await open(source as FolderSource)).close()
    }
    t.equal((await createSource({ path: '.', name: 'given' }, options)).name, 'given')
  })
})

t.test('is refused without a name: the root, and a working directory that was removed', async (t) => {
  const refuses = async (path: string) => {
    const message = `${path} has no name of its own; give it one with --name`
    const source = await createSource(path, options)
    await t.rejects(source.inspect(), { code: 'local-file', reason: 'name', exitCode: 8, message })
    t.equal(await (await createSource({ path, name: 'given' }, options)).inspect(), null)
  }
  for (const path of ['/', '//', '/.', '/..']) await refuses(path)
  const gone = mkdtempSync(join(t.testdir(), 'gone-'))
  const before = process.cwd()
  process.chdir(gone)
  try {
    rmdirSync(gone)
    await refuses('.')
  } finally {
    process.chdir(before)
  }
})

t.test('is a file or a FIFO otherwise, and a directory is none where none can be sent', async (t) => {
  const folder = makeTree(t.testdir(), { 'd/': '', f: '' })
  makeFifo(join(folder, 'fifo'))
  t.type(await createSource(join(folder, 'f'), options), FileSource)
  t.type(await createSource(join(folder, 'absent'), options), FileSource)
  t.type(await createSource(join(folder, 'fifo'), options), FifoSource)
  const source = await createSource(join(folder, 'd'), { asStream, tree: null })
  await t.rejects(source.inspect(), { message: /is a directory; send it as an archive: tar .* \| send d\.tar$/ })
})

t.test('is refused if it cannot be read', async (t) => {
  await asNobody(t, async (folder) => {
    const path = join(folder, 'closed')
    mkdirSync(path)
    chmodSync(path, 0o300)
    const source = (await createSource(path, options)) as FolderSource
    const error = { code: 'local-file', reason: 'disk', message: `cannot read ${path}: permission denied (EACCES)` }
    await t.rejects(source.open(), error)
    // access(2) asks for the real user, who may be root here.
    const fault = injectFault({ call: 'access', code: 'EACCES' })
    await t.rejects(source.inspect(), error)
    fault.restore()
    chmodSync(path, 0o700)
  })
})

t.test('says what fails when it is opened, and leaves nothing open', async (t) => {
  const folder = makeTree(t.testdir(), { 'd/a': '' })
  const leaked = watchOpenFiles(folder)
  const source = (await createSource(join(folder, 'd'), options)) as FolderSource
  for (const call of ['open', 'fstat', 'list'] as const) {
    const fault = injectFault({ call, code: 'EIO' })
    const message = `cannot read ${folder}/d: i/o error (EIO)`
    await t.rejects(source.open(), { code: 'local-file', reason: 'disk', message }, call)
    fault.restore()
  }
  t.strictSame(await leaked(), [])
})

t.test('is refused if something else has taken its place', async (t) => {
  const folder = makeTree(t.testdir(), { 'd/': '' })
  const path = join(folder, 'd')
  const source = await createSource(path, options)
  rmdirSync(path)
  makeFifo(path)
  await t.rejects(
    source
      .entries()
      [Symbol.asyncIterator]()
      .next()
      .then(({ value }) => value.open()),
    {
      code: 'local-file',
      message: /ENOTDIR/,
    },
  )
  symlinkSync('nowhere', join(folder, 'link'))
  await t.rejects(new FolderSource(join(folder, 'link'), 'link', tree).open(), { message: /ENOENT/ })
})
