/** A FIFO as something to send: read once, to its end, without ever waiting where nothing could interrupt. */
import { closeSync, constants, openSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { Socket, type SocketConstructorOpts } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FifoSource } from '../../dist/sources/fifo-source.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring } from '../fixtures/disk.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { readPieces } from '../fixtures/sources.ts'
import { makeFifo } from '../fixtures/special-files.ts'
import { settle, stateOf } from '../fixtures/turns.ts'

const never = new AbortController().signal

function fifo(t: Test): { path: string; source: FifoSource } {
  const path = join(t.testdir(), 'dump.sql')
  makeFifo(path)
  return { path, source: new FifoSource(path) }
}

/** A writer of `path`, which has a reader already: as a descriptor, or as a stream for what does not fit. */
function writerOf(path: string): { fd: number; stream(): Socket } {
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  return { fd, stream: () => new Socket({ fd, readable: false, writable: true } as SocketConstructorOpts) }
}

t.test('is announced by its name, and can be read once', async (t) => {
  const { path, source } = fifo(t)
  t.match(source, { name: 'dump.sql', label: path, path, isOnce: true })
  await source.inspect()
  const opened = await source.open(never)
  t.strictSame(opened.header, {
    kind: 'file',
    name: 'dump.sql',
    size: null,
    type: 'application/sql',
    mtime: null,
    mode: null,
  })
  await opened.close()
  source.release()
})

t.test('has another name where its own is only the number that a shell gave it', async (t) => {
  for (const path of ['/dev/fd/63', '/proc/self/fd/11', '/proc/123/fd/4']) {
    t.equal(new FifoSource(path).name, 'pipe')
    t.equal(new FifoSource(path, 'db.sql').name, 'db.sql')
  }
  for (const path of ['/dev/fd/x', 'fd/63', '/tmp/dev/fd/63', '/dev/fd/3/dump.sql'])
    t.not(new FifoSource(path).name, 'pipe')
})

t.test('waits for its first writer, and reads until the last has gone', async (t) => {
  const { path, source } = fifo(t)
  const opened = await source.open(never)
  const reading = readPieces(opened, 64)
  t.equal(await stateOf(reading), 'pending')
  await settle(50)
  t.equal(await stateOf(reading), 'pending', 'no writer yet is no end')
  const first = writerOf(path)
  const second = writerOf(path)
  writeSync(first.fd, 'hello ')
  closeSync(first.fd)
  await settle(50)
  t.equal(await stateOf(reading), 'pending', 'one is still there')
  const content = bytesOf(300_001)
  second.stream().end(content)
  t.ok(Buffer.concat(await reading).equals(Buffer.concat([Buffer.from('hello '), content])))
  await opened.close()
})

t.test('is empty where a writer came and wrote nothing', async (t) => {
  const { path, source } = fifo(t)
  const opened = await source.open(never)
  const reading = readPieces(opened)
  await settle()
  closeSync(writerOf(path).fd)
  t.strictSame(await reading, [])
  await opened.close()
})

t.test('ends the wait for a writer when it is told to, and lets go of it', async (t) => {
  const { path, source } = fifo(t)
  const controller = new AbortController()
  const opened = await source.open(controller.signal)
  const reading = readPieces(opened)
  await settle()
  controller.abort(new Error('interrupted'))
  await t.rejects(reading, { message: 'interrupted' })
  await opened.close()
  await settle()
  t.throws(() => writerOf(path), { code: 'ENXIO' }, 'nobody reads it any more')
})

t.test('says when it may not be read, cannot be opened or is something else by now', async (t) => {
  const watch = watchDescriptors()
  t.teardown(watch.restore)
  const { path, source } = fifo(t)
  await t.test('may not be read', async (t) => {
    failDuring(t, { call: 'access', code: 'EACCES' })
    const message = `cannot read ${path}: permission denied (EACCES)`
    await t.rejects(source.inspect(), { code: 'local-file', reason: 'disk', message })
  })
  await t.test('cannot be opened', async (t) => {
    failDuring(t, { call: 'open', code: 'EMFILE' })
    await t.rejects(source.open(never), { code: 'local-file', message: /^cannot read .*EMFILE/ })
  })
  writeFileSync(`${path}.new`, 'a file')
  renameSync(`${path}.new`, path)
  await t.rejects(source.open(never), { code: 'local-file', reason: 'changed', message: `${path} is no pipe any more` })
  t.strictSame(watch.problems(), [])
})
