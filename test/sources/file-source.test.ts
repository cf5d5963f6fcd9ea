import {
  appendFileSync,
  chmodSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileSource } from '../../dist/sources/file-source.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, replaceDuring } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'
import { readPieces, readSource } from '../fixtures/sources.ts'
import { makeFifo, makeSocket } from '../fixtures/special-files.ts'

/** A file of `content`, and a source that reads it. */
function fileOf(t: Test, content: string | Buffer, name = 'file.txt'): { path: string; source: FileSource } {
  const path = join(t.testdir(), name)
  writeFileSync(path, content)
  return { path, source: new FileSource(path) }
}

t.test('announces a file with its name, size, type, time and mode', async (t) => {
  const { path, source } = fileOf(t, 'hello', 'photo.png')
  utimesSync(path, 1_000, 1_234_567_890.123)
  chmodSync(path, 0o640)
  t.match(source, { path, label: path, name: 'photo.png' })
  await source.inspect()
  const opened = await source.open()
  t.strictSame(opened.header, {
    kind: 'file',
    name: 'photo.png',
    size: 5,
    type: 'image/png',
    mtime: 1_234_567_890_123,
    mode: 0o640,
  })
  await opened.close()
})

t.test('offers another name if told to, whose type counts then', async (t) => {
  const { path } = fileOf(t, '', 'x.txt')
  const opened = await new FileSource(path, 'y.json').open()
  t.match(opened.header, { name: 'y.json', type: 'application/json' })
  await opened.close()
})

t.test('shows a path without what could lie on a terminal', async (t) => {
  t.equal(new FileSource('dir/a\x1bb').label, 'dir/a\\u{1b}b')
})

t.test('reads files of every size around a chunk and around a buffer, whole', async (t) => {
  for (const size of [0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 10_000]) {
    const content = bytesOf(size)
    t.ok((await readSource(fileOf(t, content).source)).equals(content), `${size} bytes`)
  }
})

t.test('reads the same through the thread pool, while the disk is slow', async (t) => {
  const clock = fakePerformanceNow(t)
  let blocking = 0
  replaceDuring(t, 'readSync', (current) => (...args) => {
    blocking++
    clock.pass(11)
    return current(...args)
  })
  const content = bytesOf(20_000)
  t.ok((await readSource(fileOf(t, content).source)).equals(content))
  t.equal(blocking, 1, 'only the first read blocked')
})

t.test('goes on after a short read, and fills what was asked for', async (t) => {
  fakePerformanceNow(t)
  replaceDuring(t, 'readSync', (current) => (fd, buffer, offset, length, position) => {
    return current(fd, buffer, offset, Math.min(length, 1000), position)
  })
  const content = bytesOf(10_000)
  const opened = await fileOf(t, content).source.open()
  const pieces = await readPieces(opened)
  t.ok(Buffer.concat(pieces).equals(content))
  t.strictSame(
    pieces.map((piece) => piece.length),
    [4096, 4096, 1808],
  )
  await opened.close()
})

t.test('reads on at any place, and there once more', async (t) => {
  const content = bytesOf(10_000)
  const { source } = fileOf(t, content)
  const opened = await source.open()
  const buffer = Buffer.alloc(10_000)
  for (const offset of [6_000, 9_999, 10_000, 0, 1_024]) {
    opened.seek?.(offset)
    const count = await opened.read(buffer, 0, buffer.length)
    t.ok(buffer.subarray(0, count).equals(content.subarray(offset)), `from ${offset}`)
  }
  await opened.check()
  await opened.close()
})

t.test('reads bytes again, wherever it is', async (t) => {
  const content = bytesOf(10_000)
  const { source } = fileOf(t, content)
  const opened = await source.open()
  const again = Buffer.alloc(4_000)
  t.equal(await opened.readAt?.(again, 5_000), 4_000)
  t.ok(again.equals(content.subarray(5_000, 9_000)))
  t.equal(await opened.readAt?.(again, 9_000), 1_000)
  const buffer = Buffer.alloc(10_000)
  t.equal(await opened.read(buffer, 0, 10_000), 10_000)
  t.ok(buffer.equals(content), 'which does not move it')
  failDuring(t, { call: 'read', code: 'EIO' })
  await t.rejects(async () => await opened.readAt?.(again, 0), {
    code: 'local-file',
    message: /^cannot read .*file\.txt: i\/o error \(EIO\)$/,
  })
  await opened.close()
})

t.test('follows a symlink that the user names', async (t) => {
  const path = t.testdir({ 'real.txt': 'content', link: t.fixture('symlink', 'real.txt') })
  const source = new FileSource(join(path, 'link'))
  await source.inspect()
  t.equal(source.name, 'link')
  t.equal(String(await readSource(source)), 'content')
})

const changed = { code: 'local-file', reason: 'changed', exitCode: 8 }

t.test('does not confirm a file that grew while it was sent, of which it sends what was announced', async (t) => {
  const { path, source } = fileOf(t, 'hello')
  const opened = await source.open()
  appendFileSync(path, ' and more')
  t.equal(String(Buffer.concat(await readPieces(opened))), 'hello')
  await t.rejects(opened.check(), { ...changed, peerMessage: 'the file changed while it was sent' })
  await opened.close()
})

t.test('does not confirm a file that holds more than its size says', async (t) => {
  const { source } = fileOf(t, 'hello')
  // As a file of the kernel does, which has no size at all, or one on a network whose size is stale.
  replaceDuring(t, 'fstat', (current) => async (fd) => Object.assign(await current(fd), { size: 0 }))
  const opened = await source.open()
  t.strictSame(await readPieces(opened), [])
  await t.rejects(opened.check(), changed)
  await opened.close()
})

t.test('stops at a file that became shorter', async (t) => {
  const { path, source } = fileOf(t, bytesOf(10_000))
  const opened = await source.open()
  await opened.read(Buffer.alloc(4096), 0, 4096)
  truncateSync(path, 5_000)
  await t.rejects(readPieces(opened), { ...changed, peerMessage: 'the file became shorter while it was sent' })
  await t.rejects(opened.check(), changed)
  await opened.close()
})

t.test('does not confirm a file that was written to while it was sent, though its size is the same', async (t) => {
  const { path, source } = fileOf(t, 'hello')
  utimesSync(path, 1_000, 1_000)
  const opened = await source.open()
  await readPieces(opened)
  writeFileSync(path, 'HELLO')
  await t.rejects(opened.check(), changed)
  await opened.close()
})

t.test(
  'does not confirm a file that was written to, though its time was set back and its size is the same',
  async (t) => {
    const { path, source } = fileOf(t, 'hello')
    utimesSync(path, 1_000, 1_000)
    const opened = await source.open()
    await readPieces(opened)
    writeFileSync(path, 'HELLO')
    utimesSync(path, 1_000, 1_000)
    const peerMessage = 'the file changed (its content, name or attributes) while it was sent'
    await t.rejects(opened.check(), { ...changed, peerMessage })
    await opened.close()
  },
)

t.test(
  'does not confirm a file whose name or mode changed: only the change time knows of what a set-back time hides',
  async (t) => {
    const changes = {
      renamed: (path: string) => renameSync(path, `${path}-moved`),
      linked: (path: string) => linkSync(path, `${path}-linked`),
      removed: (path: string) => rmSync(path),
      'given another mode': (path: string) => chmodSync(path, 0o600),
    }
    for (const [what, change] of Object.entries(changes)) {
      await t.test(what, async (t) => {
        const { path, source } = fileOf(t, 'hello')
        const opened = await source.open()
        change(path)
        t.equal(String(Buffer.concat(await readPieces(opened))), 'hello')
        const message = /file.txt changed \(its content, name or attributes\) while it was sent; send it again/
        await t.rejects(opened.check(), { ...changed, message })
        await opened.close()
      })
    }
  },
)

t.test('does not confirm what is another file by now', async (t) => {
  const opened = await fileOf(t, 'hello').source.open()
  await readPieces(opened)
  for (const token of ['dev', 'ino', 'size'] as const) {
    await t.test(token, async (t) => {
      replaceDuring(t, 'fstat', (current) => async (fd) => {
        const stats = await current(fd)
        return Object.assign(stats, { [token]: stats[token] + 1 })
      })
      await t.rejects(opened.check(), changed)
    })
  }
  await t.resolves(opened.check())
  await opened.close()
})

t.test('does not mind that a file is read, by itself or by others', async (t) => {
  const { path, source } = fileOf(t, 'hello')
  utimesSync(path, 1_000, 1_000)
  const opened = await source.open()
  await readPieces(opened)
  readFileSync(path)
  await t.resolves(opened.check())
  await opened.close()
})

t.test('says which file is not there, or may not be read', async (t) => {
  const { path, source } = fileOf(t, 'x')
  failDuring(t, { call: 'access', code: 'EACCES' })
  const message = `cannot read ${path}: permission denied (EACCES)`
  await t.rejects(source.inspect(), { code: 'local-file', reason: 'disk', message })
  rmSync(path)
  const absent = { code: 'local-file', message: `cannot read ${path}: no such file or directory (ENOENT)` }
  await t.rejects(source.inspect(), absent)
  await t.rejects(source.open(), absent)
})

t.test('tells the receiver that it could not read, and not that it could not store', async (t) => {
  fakePerformanceNow(t)
  const { source } = fileOf(t, 'x')
  const opened = await source.open()
  failDuring(t, { call: 'readSync', code: 'EIO' })
  const error = await readPieces(opened).catch((thrown) => thrown)
  await opened.close()
  t.match(error, { code: 'local-file', reason: 'disk', message: /^cannot read .*i\/o error \(EIO\)$/ })
  t.match(error.peerMessage, /read/)
  t.notMatch(error.peerMessage, /store/)
})

t.test('fails where the file cannot be asked whether it changed', async (t) => {
  const opened = await fileOf(t, 'x').source.open()
  failDuring(t, { call: 'fstat', code: 'EIO' })
  await t.rejects(opened.check(), { code: 'local-file', reason: 'disk' })
  await opened.close()
})

/** What is not a regular file is refused by a look, and by the opening too: it may have taken the file's place since. */
async function refuses(t: Test, path: string, message: RegExp) {
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const source = new FileSource(path)
  await t.rejects(source.inspect(), { code: 'local-file', exitCode: 8, reason: 'disk', message })
  await t.rejects(source.open(), { code: 'local-file', exitCode: 8, message: /^(?!internal)/ })
  t.strictSame(watch.problems(), [])
}

t.test('refuses a directory, with the command that sends it', async (t) => {
  const folder = t.testdir({ 'my dir': {} })
  const hint = 'is a directory; send it as an archive: tar -C'
  const path = join(folder, 'my dir')
  await refuses(t, path, new RegExp(`${hint} '${path}' -c \\. \\| tcp-send --name 'my dir\\.tar' - HOST PORT$`))
  await refuses(t, `${path}/.`, /--name 'my dir\.tar' - /)
  await refuses(t, '/', /tar -C \/ -c \. \| tcp-send --name root\.tar - /)
  await t.rejects(new FileSource(path, 'given.tar').inspect(), { message: /\| tcp-send --name given\.tar - / })
})

t.test('refuses a FIFO that has taken the place of a file, without waiting for its writer', async (t) => {
  const path = join(t.testdir(), 'fifo')
  makeFifo(path)
  await refuses(t, path, /is not a regular file; send what it gives: cat .* \| tcp-send --name fifo - HOST PORT$/)
})

t.test('says how a file that changes is sent as a stream', async (t) => {
  const { path } = fileOf(t, 'hello', "it's")
  const opened = await new FileSource(path, 'log', (name) => `send ${name}`).open()
  appendFileSync(path, ' and more')
  const word = `'${path.replace("'", "'\\''")}'`
  await t.rejects(opened.check(), {
    message: `${path} changed while it was sent; send it again, or as a stream: send log <${word}`,
  })
  await opened.close()
})

t.test('refuses a socket', async (t) => {
  const folder = t.testdir()
  await makeSocket(t, folder, 'socket')
  await refuses(t, join(folder, 'socket'), /is not a regular file/)
})

t.test('refuses a device, endless or empty', async (t) => {
  for (const path of ['/dev/null', '/dev/zero']) await refuses(t, path, /is not a regular file/)
})

t.test('says of a name that is not UTF-8 that it cannot be sent', async (t) => {
  for (const name of ['bad\ufffdname', 'half\ud800pair']) {
    const source = new FileSource(join(t.testdir(), name))
    const message = /its name is not UTF-8 and cannot be sent/
    await t.rejects(source.inspect(), { code: 'local-file', reason: 'disk', message })
    await t.rejects(source.open(), { code: 'local-file', message: /its name is not UTF-8/ })
  }
})

t.test('announces no time that the protocol cannot carry', async (t) => {
  const { path, source } = fileOf(t, 'x')
  const stats = statSync(path)
  for (const mtimeMs of [1e19, -1e19, 8.64e15 + 1]) {
    replaceDuring(t, 'fstat', () => async () => Object.assign(Object.create(stats), { mtimeMs }))
    const opened = await source.open()
    t.equal(opened.header.mtime, null, String(mtimeMs))
    await opened.close()
  }
})

t.test('says of a symlink that leads to itself that it cannot be read', async (t) => {
  const path = join(t.testdir({}), 'loop')
  symlinkSync('loop', path)
  await t.rejects(new FileSource(path).inspect(), { code: 'local-file', message: /^cannot read .*loop: .*\(ELOOP\)$/ })
})
